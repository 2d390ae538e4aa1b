//! The address that a request comes from. Behind a trusted proxy it is what the proxy says; nobody
//! else's headers are believed.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::app::App;

/// The client's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClientAddress(pub(super) IpAddr);

impl FromRequestParts<Arc<App>> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Infallible> {
        let trusted = &app.settings.trusted_proxies;
        Ok(Self(trusted.client_of(&parts.headers, &parts.extensions)))
    }
}
