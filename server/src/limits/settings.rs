//! What the limits are: built in, or a file of the operator.

use serde::Deserialize;

use super::class::Class;

/// The limits of a serving process. A file names only what it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitSettings {
    /// Reading the API.
    pub read: Rates,
    /// Posting predictions.
    pub predict: Rates,
    /// Changing anything else.
    pub write: Rates,
    /// Uploads and checks of files.
    pub heavy: Rates,
    /// Opening accounts.
    pub account: Rates,
    /// Runners.
    pub run: Rates,
    /// Opening streams.
    pub stream: Rates,
    /// Pages.
    pub page: Rates,
    /// Streams that are open.
    pub streams: StreamLimits,
    /// Connections that are open.
    pub connections: ConnectionLimits,
}

/// The rates of a class; absent: not limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    /// Of each key; absent: keys count for their address.
    pub key: Option<Rate>,
    /// Of each address; IPv6 addresses count by /64.
    pub address: Option<Rate>,
}

/// So many requests in so many seconds, of which `burst` may come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Requests.
    pub requests: u32,
    /// Seconds.
    pub per_s: u64,
    /// At once.
    pub burst: u32,
}

/// Open streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StreamLimits {
    /// Of a key.
    pub per_key: u32,
    /// Of an address.
    pub per_address: u32,
}

/// Open connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConnectionLimits {
    /// In all; more wait outside.
    pub total: u32,
    /// Of an address; more are closed.
    pub per_address: u32,
}

const MINUTE_S: u64 = 60;

const fn each_minute(requests: u32, burst: u32) -> Option<Rate> {
    Some(Rate {
        requests,
        per_s: MINUTE_S,
        burst,
    })
}

impl Default for LimitSettings {
    fn default() -> Self {
        let rates = |key, address| Rates { key, address };
        Self {
            read: rates(each_minute(1_200, 240), each_minute(600, 120)),
            predict: rates(each_minute(600, 200), each_minute(600, 200)),
            write: rates(each_minute(60, 30), each_minute(60, 30)),
            heavy: rates(each_minute(10, 5), each_minute(10, 5)),
            account: rates(
                None,
                Some(Rate {
                    requests: 5,
                    per_s: 60 * MINUTE_S,
                    burst: 5,
                }),
            ),
            run: rates(each_minute(6_000, 1_000), each_minute(600, 120)),
            stream: rates(each_minute(60, 20), each_minute(60, 20)),
            page: rates(None, each_minute(1_200, 240)),
            streams: StreamLimits::default(),
            connections: ConnectionLimits::default(),
        }
    }
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self {
            per_key: 10,
            per_address: 20,
        }
    }
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            total: 4_096,
            per_address: 256,
        }
    }
}

impl LimitSettings {
    /// No limit on requests and streams; connections have a limit in all.
    #[must_use]
    pub fn off() -> Self {
        let rates = Rates {
            key: None,
            address: None,
        };
        let total = ConnectionLimits::default().total;
        Self {
            read: rates,
            predict: rates,
            write: rates,
            heavy: rates,
            account: rates,
            run: rates,
            stream: rates,
            page: rates,
            streams: StreamLimits {
                per_key: u32::MAX,
                per_address: u32::MAX,
            },
            connections: ConnectionLimits {
                total,
                per_address: total,
            },
        }
    }

    /// The limits of a file, TOML.
    ///
    /// # Errors
    /// Says which line or value cannot be used.
    pub fn parse(text: &str) -> Result<Self, String> {
        let settings: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        for class in Class::ALL {
            let rates = settings.rates(class);
            for rate in [rates.key, rates.address].into_iter().flatten() {
                if rate.requests == 0 || rate.burst == 0 || rate.per_s == 0 {
                    let name = class.name();
                    return Err(format!("[{name}]: no number of a rate may be 0"));
                }
            }
        }
        let connections = settings.connections;
        if connections.total == 0 || connections.per_address == 0 {
            return Err("[connections]: no number may be 0".to_owned());
        }
        Ok(settings)
    }

    /// The rates of a class.
    #[must_use]
    pub fn rates(&self, class: Class) -> Rates {
        match class {
            Class::Read => self.read,
            Class::Predict => self.predict,
            Class::Write => self.write,
            Class::Heavy => self.heavy,
            Class::Account => self.account,
            Class::Run => self.run,
            Class::Stream => self.stream,
            Class::Page => self.page,
        }
    }
}

impl Rate {
    /// Whole seconds in which `requests` come back, rounded up.
    pub(super) fn seconds_for(self, requests: u32) -> u64 {
        let all = u64::from(requests).saturating_mul(self.per_s);
        all.div_ceil(u64::from(self.requests.max(1)))
    }
}
