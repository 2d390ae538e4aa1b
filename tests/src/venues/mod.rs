//! Fake venues: Binance, Coinbase and Kraken as far as the server's feeds know them, over one
//! market whose truth can be computed, misbehaving on command.
//!
//! A venue's stream and its REST interface share a port of this machine. What is generated is a
//! function of a seed and of time ([`market`]): tests ask it for the trades, bars and outcomes that
//! an honest world would have. Must never serve anything but tests and trials.

pub mod market;
pub mod misbehaviour;
pub mod source;

mod noise;
mod rest;
mod site;
mod stream;
mod wire;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use datasets::Asset;
use domain::timestamp::SECOND_US;
use domain::{MarketClock, Venue};
use tokio_util::sync::{CancellationToken, DropGuard};

pub use market::Market;
pub use misbehaviour::Misbehaviour;
pub use source::{Recording, Source};

use site::Site;

/// How the venues are started.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The market behind all that have no other source.
    pub market: Market,
    /// Other sources.
    pub sources: BTreeMap<Venue, Source>,
    /// Ports; a free one for those without.
    pub ports: BTreeMap<Venue, u16>,
    /// By whose time trades happen. A hand-moved clock, or a faster one, makes time pass as fast as
    /// a test likes.
    pub clock: MarketClock,
    /// How often Binance pings, microseconds of that clock.
    pub ping_every_us: i64,
}

impl Settings {
    /// Everything generated from a seed, on free ports.
    #[must_use]
    pub fn new(market: Market, clock: MarketClock) -> Self {
        Self {
            market,
            sources: BTreeMap::new(),
            ports: BTreeMap::new(),
            clock,
            ping_every_us: 20 * SECOND_US,
        }
    }
}

/// Three running venues; they end when this is dropped.
#[derive(Debug)]
pub struct Venues {
    market: Market,
    sites: BTreeMap<Venue, (Arc<Site>, SocketAddr)>,
    _stop: DropGuard,
}

impl Venues {
    /// Starts them.
    ///
    /// # Errors
    /// When a port cannot be listened on.
    pub async fn start(settings: Settings) -> anyhow::Result<Self> {
        let stop = CancellationToken::new();
        let guard = stop.clone().drop_guard();
        let mut sites = BTreeMap::new();
        for venue in Venue::ALL {
            let own = settings.sources.get(&venue).cloned();
            let source = own.unwrap_or(Source::Generated(settings.market));
            let clock = settings.clock.clone();
            let site = Arc::new(Site::new(venue, source, clock, settings.ping_every_us));
            let port = settings.ports.get(&venue).copied().unwrap_or(0);
            let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
            let address = site.listen(address, stop.clone()).await?;
            sites.insert(venue, (site, address));
        }
        Ok(Self {
            market: settings.market,
            sites,
            _stop: guard,
        })
    }

    fn site(&self, venue: Venue) -> &(Arc<Site>, SocketAddr) {
        self.sites.get(&venue).expect("start made every venue")
    }

    /// The truth.
    #[must_use]
    pub fn market(&self) -> Market {
        self.market
    }

    /// Where a venue's stream is, `ws://…`. Binance's is the raw one; at `/stream` it is combined.
    #[must_use]
    pub fn stream_url(&self, venue: Venue) -> String {
        let path = match venue {
            Venue::Binance => "/ws",
            Venue::Coinbase => "/",
            Venue::Kraken => "/v2",
        };
        format!("ws://{}{path}", self.site(venue).1)
    }

    /// Where a venue's REST interface is, `http://…` without a path.
    #[must_use]
    pub fn rest_url(&self, venue: Venue) -> String {
        format!("http://{}", self.site(venue).1)
    }

    /// The file that `foretoken serve --feeds` reads to follow these venues.
    #[must_use]
    pub fn feeds_file(&self) -> String {
        let mut text = String::new();
        for venue in Venue::ALL {
            let (name, stream) = (venue.name(), self.stream_url(venue));
            let rest = self.rest_url(venue);
            text.push_str(&format!(
                "[[venue]]\nname = \"{name}\"\nstream = \"{stream}\"\nrest = \"{rest}\"\n[venue.markets]\n"
            ));
            for asset in Asset::ALL {
                let market = market::symbol(venue, asset);
                text.push_str(&format!("{asset} = \"{market}\"\n"));
            }
            text.push('\n');
        }
        text
    }

    /// Tells a venue to do something wrong, from now on or once.
    pub fn command(&self, venue: Venue, command: Misbehaviour) {
        self.site(venue).0.command(command);
    }

    /// How often what happened at a venue: `streams`, `frames`, `rest_requests`,
    /// `refused_connections`, `duplicated`, `reordered`, `silent_clients_left`.
    #[must_use]
    pub fn counts(&self, venue: Venue) -> BTreeMap<&'static str, u64> {
        self.site(venue).0.counts()
    }
}
