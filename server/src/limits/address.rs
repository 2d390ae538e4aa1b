//! Where a request comes from: the connection's other end, or what a trusted proxy says of it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use axum::extract::ConnectInfo;
use axum::http::{Extensions, HeaderMap};

/// More hops than any chain of proxies has; what lies behind them is not looked at.
const MOST_HOPS: usize = 16;

/// A block of addresses, `10.0.0.0/8`, `::1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    bits: u32,
}

/// Some blocks of addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<Network>);

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no address and no block like 10.0.0.0/8");
        let (base, bits) = match text.split_once('/') {
            Some((base, bits)) => (base, Some(bits)),
            None => (text, None),
        };
        let base: IpAddr = base.parse().map_err(|_| wrong())?;
        let most = if base.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), |bits| bits.parse().map_err(|_| wrong()))?;
        if bits > most {
            return Err(wrong());
        }
        Ok(Self { base, bits })
    }
}

impl Network {
    /// Whether `address` is inside. An IPv4 address in IPv6 clothes is an IPv4 address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                let shift = 32_u32.saturating_sub(self.bits);
                let differs = base.to_bits() ^ address.to_bits();
                differs.checked_shr(shift).unwrap_or(0) == 0
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                let shift = 128_u32.saturating_sub(self.bits);
                let differs = base.to_bits() ^ address.to_bits();
                differs.checked_shr(shift).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl FromIterator<Network> for Networks {
    fn from_iter<I: IntoIterator<Item = Network>>(networks: I) -> Self {
        Self(networks.into_iter().collect())
    }
}

impl Networks {
    /// Whether `address` is inside of one.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// The client of a request whose connection comes from `peer`, these networks being the trusted
    /// proxies. `x_forwarded_for` and `forwarded` are all lines of those headers, in their order.
    ///
    /// The headers count from the right, since a caller may write anything on the left: the client is
    /// the last hop that is no trusted proxy. If both headers are there and differ, or one cannot be
    /// read, nobody knows which of them the proxy wrote, and the client is the proxy itself.
    #[must_use]
    pub fn client(&self, peer: IpAddr, x_forwarded_for: &[&str], forwarded: &[&str]) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.contains(peer) {
            return peer;
        }
        let listed = x_forwarded_for.join(",");
        let plain = (!x_forwarded_for.is_empty())
            .then(|| self.last_stranger(listed.split(',').map(str::trim)));
        let listed = forwarded.join(",");
        let named = (!forwarded.is_empty())
            .then(|| self.last_stranger(listed.split(',').map(forwarded_for)));
        match (plain, named) {
            (None, None) => peer,
            (Some(one), None) | (None, Some(one)) => one.unwrap_or(peer),
            (Some(one), Some(other)) if one == other => one.unwrap_or(peer),
            _ => peer,
        }
    }

    /// The client of a request. One without a connection (a test) comes from 0.0.0.0, like every
    /// other such.
    #[must_use]
    pub fn client_of(&self, headers: &HeaderMap, extensions: &Extensions) -> IpAddr {
        let connection = extensions.get::<ConnectInfo<SocketAddr>>();
        let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let peer = connection.map_or(nowhere, |ConnectInfo(peer)| peer.ip());
        let lines = |name| -> Vec<&str> {
            let values = headers.get_all(name).iter();
            values.map(|value| value.to_str().unwrap_or("")).collect()
        };
        self.client(peer, &lines("x-forwarded-for"), &lines("forwarded"))
    }

    fn last_stranger<'a>(&self, hops: impl DoubleEndedIterator<Item = &'a str>) -> Option<IpAddr> {
        for hop in hops.rev().take(MOST_HOPS) {
            let address = hop_address(hop)?;
            if !self.contains(address) {
                return Some(address);
            }
        }
        None
    }
}

/// What counts as one address: an IPv6 customer has a whole /64.
#[must_use]
pub fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}

/// The value of `for` in one element of the header `Forwarded` (RFC 7239).
fn forwarded_for(element: &str) -> &str {
    let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let found = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
    found.map_or("", |(_, value)| value.trim().trim_matches('"'))
}

/// `1.2.3.4`, `1.2.3.4:567`, `::1`, `[::1]`, `[::1]:567`.
fn hop_address(hop: &str) -> Option<IpAddr> {
    let bare = match hop.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None if hop.matches(':').count() == 1 => hop.split_once(':')?.0,
        None => hop,
    };
    bare.parse()
        .ok()
        .map(|address: IpAddr| address.to_canonical())
}
