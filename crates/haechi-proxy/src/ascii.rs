//! Writing numbers and addresses without the formatting machinery, which costs a request more than its routing.

use haechi_core::Host;
use std::io::Write;
use std::net::IpAddr;

/// Appends a whole number in decimal.
pub(crate) fn push_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends an address as text (RFC 5952 for IPv6).
pub(crate) fn push_ip(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            for (index, octet) in address.octets().into_iter().enumerate() {
                if index > 0 {
                    out.push(b'.');
                }
                push_number(out, u64::from(octet));
            }
        }
        // Writing to memory does not fail.
        IpAddr::V6(address) => drop(write!(out, "{address}")),
    }
}

/// Appends a host, with its port where it has one.
pub(crate) fn push_host(out: &mut Vec<u8>, host: &Host) {
    out.extend_from_slice(host.name().as_bytes());
    if let Some(port) = host.port() {
        out.push(b':');
        push_number(out, u64::from(port));
    }
}

#[cfg(test)]
mod tests {
    use super::{push_host, push_ip};
    use haechi_core::Host;
    use std::net::IpAddr;

    #[test]
    fn addresses_and_hosts_read_as_usual() {
        for text in ["127.0.0.1", "10.200.3.255", "2001:db8::1", "::1"] {
            let mut out = Vec::new();
            push_ip(&mut out, text.parse::<IpAddr>().unwrap());
            assert_eq!(out, text.as_bytes());
        }
        for text in ["a.example", "a.example:8080", "[::1]:1"] {
            let mut out = Vec::new();
            push_host(&mut out, &Host::parse(text.as_bytes()).unwrap());
            assert_eq!(out, text.as_bytes());
        }
    }
}
