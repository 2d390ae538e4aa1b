//! What a request is counted as.

/// A class of requests that share a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Reading the API.
    Read,
    /// Posting predictions.
    Predict,
    /// Changing anything else.
    Write,
    /// Work that takes seconds: uploads, checks of files.
    Heavy,
    /// Opening an account.
    Account,
    /// A runner asking for work and answering.
    Run,
    /// Opening a stream.
    Stream,
    /// A page.
    Page,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Read,
        Self::Predict,
        Self::Write,
        Self::Heavy,
        Self::Account,
        Self::Run,
        Self::Stream,
        Self::Page,
    ];

    /// As settings and headers name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Predict => "predict",
            Self::Write => "write",
            Self::Heavy => "heavy",
            Self::Account => "account",
            Self::Run => "run",
            Self::Stream => "stream",
            Self::Page => "page",
        }
    }

    /// The class of a request to the API: `route` as the router matched it, after `/api/v1`.
    #[must_use]
    pub fn of(method: &str, route: Option<&str>) -> Self {
        let reads = matches!(method, "GET" | "HEAD" | "OPTIONS");
        let route = route.unwrap_or_default();
        match (method, route) {
            ("PUT", "/rounds/{round}/predictions/{model}") | ("POST", "/predictions") => {
                Self::Predict
            }
            ("POST", "/models/upload" | "/check") => Self::Heavy,
            ("POST", "/accounts" | "/accounts/wallet") => Self::Account,
            ("GET", "/events" | "/events/ws") => Self::Stream,
            (_, route) if route.starts_with("/runner/") => Self::Run,
            _ if reads => Self::Read,
            _ => Self::Write,
        }
    }
}
