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
            let mut text = Dotted { bytes: [b'.'; 16], length: 0 };
            for octet in address.octets() {
                text.push(octet);
            }
            // Without the dot behind the last.
            out.extend_from_slice(text.bytes.get(..text.length.saturating_sub(1)).unwrap_or_default());
        }
        // Writing to memory does not fail.
        IpAddr::V6(address) => drop(write!(out, "{address}")),
    }
}

/// Octets in decimal, each with a dot behind it: built apart, so that what it is appended to is asked for room once.
struct Dotted {
    bytes: [u8; 16],
    length: usize,
}

impl Dotted {
    fn push(&mut self, octet: u8) {
        let digits = [octet / 100, octet / 10 % 10, octet % 10];
        let leading = if octet >= 100 { 0 } else { 2 - usize::from(octet >= 10) };
        for digit in digits.into_iter().skip(leading) {
            if let Some(place) = self.bytes.get_mut(self.length) {
                *place = b'0' + digit;
            }
            self.length += 1;
        }
        // The dot is there already.
        self.length += 1;
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
    fn every_octet_reads_as_a_number() {
        for octet in 0..=u8::MAX {
            let mut out = Vec::new();
            push_ip(&mut out, IpAddr::from([octet, 0, 255, octet]));
            assert_eq!(String::from_utf8(out).unwrap(), format!("{octet}.0.255.{octet}"));
        }
    }

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
