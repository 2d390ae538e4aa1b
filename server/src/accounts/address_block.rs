//! Where a key may be used from: an address, or a block of them in CIDR form.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// One address, or all that share its first bits. An IPv4 address that came over an IPv6 socket is
/// the IPv4 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressBlock {
    base: IpAddr,
    bits: u8,
}

/// The text is no address and no block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotABlock;

impl AddressBlock {
    /// Whether the address is in the block.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        width(address) == width(self.base) && first_bits(address, self.bits) == number(self.base)
    }
}

impl FromStr for AddressBlock {
    type Err = NotABlock;
    fn from_str(text: &str) -> Result<Self, NotABlock> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let base: IpAddr = address.parse().map_err(|_| NotABlock)?;
        if base != base.to_canonical() {
            return Err(NotABlock);
        }
        let bits = match bits {
            Some(bits) if bits.bytes().all(|b| b.is_ascii_digit()) => {
                bits.parse().map_err(|_| NotABlock)?
            }
            Some(_) => return Err(NotABlock),
            None => width(base),
        };
        // Bits behind the block's would be a slip: 10.1.2.3/8 does not say which one is meant.
        if bits > width(base) || first_bits(base, bits) != number(base) {
            return Err(NotABlock);
        }
        Ok(Self { base, bits })
    }
}

impl fmt::Display for AddressBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.bits == width(self.base) {
            return write!(f, "{}", self.base);
        }
        write!(f, "{}/{}", self.base, self.bits)
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn first_bits(address: IpAddr, bits: u8) -> u128 {
    let behind = u32::from(width(address).saturating_sub(bits));
    let mask = u128::MAX.checked_shl(behind).unwrap_or(0);
    number(address) & mask
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(text: &str) -> AddressBlock {
        text.parse().expect("a block")
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_block_holds_what_shares_its_bits() {
        for (text, inside, outside) in [
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("10.0.0.0/8", "10.255.1.2", "11.0.0.0"),
            ("10.0.0.0/8", "::ffff:10.1.2.3", "::ffff:11.1.2.3"),
            ("192.0.2.128/25", "192.0.2.255", "192.0.2.127"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
            ("::/0", "fe80::1", "127.0.0.1"),
            ("::1", "::1", "::2"),
        ] {
            assert!(block(text).contains(address(inside)), "{text} {inside}");
            assert!(!block(text).contains(address(outside)), "{text} {outside}");
            assert_eq!(block(text).to_string(), text);
        }
        assert_eq!(block("192.0.2.7/32"), block("192.0.2.7"));
    }

    #[test]
    fn what_is_no_block_is_refused() {
        for text in [
            "",
            "/",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "10.1.2.3/8",
            "10.0.0",
            "::1/129",
            "::ffff:10.0.0.1",
            "host",
            "10.0.0.0/8/8",
            "2001:db8::1/32",
        ] {
            assert_eq!(text.parse::<AddressBlock>(), Err(NotABlock), "{text}");
        }
    }
}
