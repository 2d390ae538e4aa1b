//! The problems of endpoints as the OpenAPI document lists them.

use std::collections::BTreeMap;

use utoipa::IntoResponses;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};

const SCHEMA: &str = "#/components/schemas/Problem";

fn responses(list: &[(&str, &str)]) -> BTreeMap<String, RefOr<Response>> {
    let one = |(status, codes): &(&str, &str)| {
        let content = ContentBuilder::new().schema(Some(Ref::new(SCHEMA))).build();
        let response = ResponseBuilder::new()
            .description(format!("Problem: {codes}"))
            .content("application/problem+json", content)
            .build();
        ((*status).to_owned(), RefOr::T(response))
    };
    list.iter().map(one).collect()
}

macro_rules! documented {
    ($($(#[$doc:meta])* $name:ident: $list:expr;)*) => {$(
        $(#[$doc])*
        pub(in crate::api) struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                responses(&$list)
            }
        }
    )*};
}

documented! {
    /// An endpoint that needs a key.
    KeyProblems: [
        ("401", "`key-missing`, `key-malformed`, `key-unknown`, `key-revoked` or `key-expired`"),
        ("403", "`scope-missing`, `not-owner` or `key-address-refused`"),
    ];
    /// Opening an account without a wallet.
    AccountProblems: [
        ("400", "`body-not-json`"),
        ("409", "`account-name-taken`"),
        ("413", "`body-too-large`"),
        ("415", "`content-type-wrong`"),
        ("422", "`account-name-invalid` or `body-invalid`"),
    ];
    /// Opening an account by a signature.
    SignedAccountProblems: [
        ("400", "`body-not-json`"),
        ("401", "`signature-invalid` or `signature-expired`"),
        ("409", "`nonce-used`, `account-name-taken`, `wallet-taken` or `too-many-keys`"),
        ("413", "`body-too-large`"),
        ("415", "`content-type-wrong`"),
        ("422", "`account-name-invalid`, `wallet-invalid` or `body-invalid`"),
    ];
    /// Linking a wallet.
    WalletLinkProblems: [
        ("400", "`body-not-json`"),
        ("401", "`signature-invalid` or `signature-expired`, or `key-missing`, `key-malformed`, `key-unknown`, `key-revoked` or `key-expired`"),
        ("403", "`scope-missing` or `key-address-refused`"),
        ("409", "`nonce-used`, `wallet-taken` or `wallet-differs`"),
        ("413", "`body-too-large`"),
        ("415", "`content-type-wrong`"),
        ("422", "`wallet-invalid` or `body-invalid`"),
    ];
    /// Making a key with a key.
    NewKeyProblems: [
        ("400", "`body-not-json`"),
        ("401", "`key-missing`, `key-malformed`, `key-unknown`, `key-revoked` or `key-expired`"),
        ("403", "`scope-missing` or `key-address-refused`"),
        ("409", "`too-many-keys`"),
        ("413", "`body-too-large`"),
        ("415", "`content-type-wrong`"),
        ("422", "`key-rights-invalid` or `body-invalid`"),
    ];
    /// Replacing a key.
    RotationProblems: [
        ("400", "`body-not-json`"),
        ("401", "`key-missing`, `key-malformed`, `key-unknown`, `key-revoked` or `key-expired`"),
        ("403", "`scope-missing` or `key-address-refused`"),
        ("404", "`unknown-key`"),
        ("409", "`rotation-running` or `key-ended`"),
        ("413", "`body-too-large`"),
        ("415", "`content-type-wrong`"),
        ("422", "`key-rights-invalid` or `body-invalid`"),
    ];
    /// Making a key with a signature.
    SignedKeyProblems: [
        ("400", "`body-not-json`"),
        ("401", "`signature-invalid` or `signature-expired`"),
        ("403", "`scope-missing`"),
        ("404", "`unknown-account`"),
        ("409", "`nonce-used` or `too-many-keys`"),
        ("413", "`body-too-large`"),
        ("415", "`content-type-wrong`"),
        ("422", "`key-rights-invalid`, `wallet-invalid` or `body-invalid`"),
    ];
    /// Delegating to a session key.
    SessionKeyProblems: [
        ("400", "`body-not-json`"),
        ("401", "`signature-invalid` or `signature-expired`"),
        ("404", "`unknown-account`"),
        ("409", "`nonce-used`, `wallet-missing` or `too-many-session-keys`"),
        ("413", "`body-too-large`"),
        ("415", "`content-type-wrong`"),
        ("422", "`key-rights-invalid`, `wallet-invalid` or `body-invalid`"),
    ];
    /// An endpoint over one key.
    UnknownKey: [("404", "`unknown-key`")];
    /// An endpoint over one session key.
    UnknownSessionKey: [("404", "`unknown-session-key`")];
    /// An endpoint that reads JSON.
    BodyProblems: [
        ("400", "`body-not-json`"),
        ("413", "`body-too-large`"),
        ("415", "`content-type-wrong`"),
        ("422", "`body-invalid`"),
    ];
    /// An endpoint that reads a query.
    QueryProblems: [("400", "`query-invalid`")];
    /// An endpoint over one round.
    UnknownRound: [("404", "`unknown-round`")];
    /// An endpoint over one model's prediction in one round.
    UnknownPrediction: [("404", "`unknown-round`, `unknown-model` or `no-prediction`")];
    /// An endpoint over one model.
    UnknownModel: [("404", "`unknown-model`")];
    /// An endpoint over one tournament.
    UnknownTournament: [("404", "`unknown-tournament`")];
    /// An endpoint over one version of the datasets.
    UnknownDataset: [("404", "`unknown-dataset`")];
    /// An endpoint over the bytes of a numeric source.
    UnknownReceipt: [("404", "`unknown-receipt`")];
    /// An endpoint over one webhook of the caller's.
    UnknownWebhook: [("404", "`unknown-webhook`")];
    /// Making a webhook.
    NewWebhookProblems: [
        ("404", "`unknown-tournament`"),
        ("409", "`too-many-webhooks`"),
        ("422", "`webhook-url-refused` or `body-invalid`"),
    ];
    /// Opening a WebSocket from a page of another site.
    OriginRefused: [("403", "`origin-refused` or `scope-missing`")];
    /// A request that opens no WebSocket.
    NotASocket: [("400", "`not-a-websocket` or `query-invalid`")];
    /// An endpoint over what is secret until the outcome.
    NotYetResolved: [("403", "`not-yet-resolved`")];
    /// The features of a round.
    FeatureProblems: [
        ("404", "`unknown-round` or `no-features`"),
        ("409", "`features-not-ready`"),
    ];
    /// The stake of a model.
    StakeProblems: [
        ("400", "`query-invalid`"),
        ("404", "`unknown-model`"),
        ("422", "`stake-not-an-amount`"),
    ];
    /// The candles of a tournament.
    CandleProblems: [("404", "`unknown-tournament` or `no-candles`")];
    /// Checking a file.
    CheckProblems: [
        ("400", "`body-broken`"),
        ("408", "`request-timeout`"),
        ("413", "`body-too-large`"),
        ("415", "`content-type-wrong`"),
        ("422", "`artifact-empty`"),
        ("503", "`busy` or `check-unavailable`"),
    ];
    /// Posting a prediction.
    PredictionProblems: [
        ("400", "`body-not-json`"),
        ("401", "`key-missing`, `key-malformed`, `key-unknown`, `key-revoked`, `key-expired` or `signature-invalid`"),
        ("404", "`unknown-round` or `unknown-model`"),
        (
            "409",
            "`late`, `round-not-open`, `model-inactive`, `wrong-tournament`, `nonce-used`, \
             `seal-unknown`, `seal-not-opened` or `seal-late`",
        ),
        ("413", "`body-too-large`"),
        ("415", "`content-type-wrong`"),
        ("422", "`probability-out-of-range`, `stake-not-an-amount`, `wallet-invalid` or `body-invalid`"),
        ("503", "`stopping`"),
    ];
    /// Posting several predictions; what befalls one of them is in its result.
    PostPredictionsProblems: [
        ("400", "`body-not-json` or `idempotency-key-invalid`"),
        ("409", "`idempotency-in-progress` or `too-many-idempotency-keys`"),
        ("413", "`body-too-large`"),
        ("415", "`content-type-wrong`"),
        ("422", "`body-invalid` or `idempotency-key-reused`"),
        ("503", "`stopping`"),
    ];
    /// Naming a new model.
    ModelNameProblems: [
        ("404", "`unknown-tournament`"),
        ("409", "`model-name-taken` or `too-many-models`"),
        ("422", "`model-name-invalid` or `body-invalid`"),
    ];
    /// A runner about itself.
    RunnerProblems: [
        ("404", "`unknown-runner`"),
        ("409", "`runner-name-taken`"),
        ("422", "`runner-name-invalid` or `body-invalid`"),
    ];
    /// Answering a lease.
    LeaseProblems: [
        ("404", "`unknown-lease`"),
        ("409", "`lease-lost` or `runner-name-taken`"),
        ("422", "`model-not-in-job`, `status-unknown` or `body-invalid`"),
    ];
}
