//! PROXY headers: unfinished until one is whole, and then it says the same whatever follows.
#![no_main]

use haechi_proxy::fuzzing::proxy_header;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(Some((length, client))) = proxy_header(data) else { return };
    assert!((15..=4096).contains(&length) && length <= data.len());
    for end in 0..length {
        assert_eq!(proxy_header(&data[..end]), Ok(None), "of {end} bytes");
    }
    assert_eq!(proxy_header(&data[..length]), Ok(Some((length, client))));
    // Both versions can say it, and are read the same.
    if let Some(client) = client {
        let family = if client.is_ipv4() { "TCP4" } else { "TCP6" };
        let line = format!("PROXY {family} {} {} {} 0\r\n", client.ip(), client.ip(), client.port());
        assert_eq!(proxy_header(line.as_bytes()), Ok(Some((line.len(), Some(client)))));
    }
});
