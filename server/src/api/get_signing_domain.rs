//! `GET /signing-domain`: in what domain requests and receipts are signed.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;

/// The EIP-712 domain of signed requests and of receipts.
#[derive(Serialize, ToSchema)]
#[schema(as = SigningDomain)]
pub(super) struct SigningDomainBody {
    /// `Foretoken`.
    name: &'static str,
    /// `1`.
    version: &'static str,
    #[schema(example = 31337)]
    chain_id: u64,
    /// The registry of the rounds.
    #[schema(example = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed")]
    verifying_contract: String,
}

/// The EIP-712 domain in which wallets sign requests and the server signs receipts.
#[utoipa::path(
    get,
    path = "/signing-domain",
    tag = "accounts",
    responses((status = 200, body = SigningDomainBody)),
    security(())
)]
pub(super) async fn get_signing_domain(State(app): State<Arc<App>>) -> Json<SigningDomainBody> {
    Json(SigningDomainBody {
        name: "Foretoken",
        version: "1",
        chain_id: app.receipts.chain_id(),
        verifying_contract: app.receipts.registry().to_string(),
    })
}
