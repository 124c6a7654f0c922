//! What limits by address count as one.

use std::net::{IpAddr, Ipv6Addr};

/// The block that limits count as one client: an IPv4 address, however it is written, or an IPv6 /64, all of which one subscriber has.
pub fn address_block(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        v4 @ IpAddr::V4(_) => v4,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::address_block;

    #[test]
    fn a_64_is_one_and_every_ipv4_address_is_its_own() {
        for (address, block) in [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::"),
            ("2001:db8:1:3::1", "2001:db8:1:3::"),
        ] {
            assert_eq!(
                address_block(address.parse().unwrap()),
                block.parse::<std::net::IpAddr>().unwrap(),
                "{address}"
            );
        }
    }
}
