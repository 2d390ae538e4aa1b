//! The address that a request comes from: the one place that decides it. Behind a trusted proxy it
//! is what the proxy says; nobody else's headers are believed.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::{Extensions, HeaderMap};

use crate::limits::Networks;

/// The client's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientAddress(pub(crate) IpAddr);

impl ClientAddress {
    /// Decides where a request comes from and notes it on the request.
    pub(super) fn note(trusted: &Networks, request: &mut Request) {
        let address = trusted.client_of(request.headers(), request.extensions());
        request.extensions_mut().insert(Self(address));
    }

    /// Of a request: what was noted, else the connection's other end.
    pub(crate) fn of(extensions: &Extensions) -> Self {
        let peer = || Self(Networks::default().client_of(&HeaderMap::new(), extensions));
        extensions.get::<Self>().copied().unwrap_or_else(peer)
    }
}
