//! Places where a test can end the process as a crash would. Debug builds only.

/// Ends the process at once when `FORETOKEN_FAILPOINT` names this place; nothing is cleaned up.
#[cfg(debug_assertions)]
pub fn failpoint(name: &str) {
    if std::env::var_os("FORETOKEN_FAILPOINT").is_some_and(|wanted| wanted == name) {
        tracing::error!(name, "fail-point");
        std::process::abort();
    }
}

/// Nothing in a release build.
#[cfg(not(debug_assertions))]
pub fn failpoint(_name: &str) {}
