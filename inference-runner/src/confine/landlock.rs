//! Landlock without a rule: whatever the kernel's version of it can forbid is forbidden.

use std::io;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetStatus,
    Scope,
};

/// The newest rights that are asked for; an older kernel forbids those that it knows.
const NEWEST: ABI = ABI::V7;

/// Restricts this process for good. `false` when the kernel has no Landlock.
pub(super) fn restrict() -> io::Result<bool> {
    let refused = |error: landlock::RulesetError| io::Error::other(format!("Landlock: {error}"));
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(NEWEST)))
        .and_then(|rules| rules.scope(Scope::from_all(NEWEST)))
        .map_err(refused)?;
    let status = ruleset.create().map_err(refused)?.restrict_self();
    Ok(status.map_err(refused)?.ruleset != RulesetStatus::NotEnforced)
}
