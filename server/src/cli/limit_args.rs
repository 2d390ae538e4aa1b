//! The flags of `serve` that say how much each caller may ask and whom to believe about callers.

use std::path::PathBuf;

use anyhow::Context;

use crate::limits::{LimitSettings, Network, Networks};

#[derive(Debug, clap::Args)]
pub(super) struct LimitArgs {
    /// Limits for keys and addresses: a TOML file of what differs from the defaults, or `off`
    #[arg(long, value_name = "FILE|off", env = "FORETOKEN_LIMITS")]
    limits: Option<PathBuf>,
    /// Proxies, addresses or blocks with commas, whose X-Forwarded-For or Forwarded is believed
    #[arg(
        long,
        value_name = "CIDR,…",
        env = "FORETOKEN_TRUSTED_PROXIES",
        value_delimiter = ','
    )]
    trusted_proxies: Vec<Network>,
}

impl LimitArgs {
    /// The limits, or why the file is refused.
    pub(super) fn settings(&self) -> anyhow::Result<Result<LimitSettings, String>> {
        let Some(path) = &self.limits else {
            return Ok(Ok(LimitSettings::default()));
        };
        if path.as_os_str() == "off" {
            return Ok(Ok(LimitSettings::off()));
        }
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("{} cannot be read", path.display()))?;
        Ok(LimitSettings::parse(&text).map_err(|why| format!("{}: {why}", path.display())))
    }

    pub(super) fn trusted_proxies(&self) -> Networks {
        self.trusted_proxies.iter().copied().collect()
    }
}
