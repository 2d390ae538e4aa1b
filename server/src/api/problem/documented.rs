//! The problems of endpoints as the OpenAPI document lists them.

use std::collections::BTreeMap;

use utoipa::IntoResponses;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder, Responses};

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

/// Adds the problems that any endpoint may answer.
pub(in crate::api) fn add_common(to: &mut Responses) {
    let common = [
        ("405", "`wrong-method`"),
        ("500", "`internal`"),
        ("504", "`timeout`"),
    ];
    for (status, response) in responses(&common) {
        to.responses.entry(status).or_insert(response);
    }
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
        ("401", "`key-missing`, `key-malformed`, `key-unknown` or `key-revoked`"),
        ("403", "`scope-missing` or `not-owner`"),
    ];
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
    /// Posting a prediction.
    PredictionProblems: [
        ("400", "`body-not-json`"),
        ("404", "`unknown-round` or `unknown-model`"),
        ("409", "`late`, `round-not-open`, `model-inactive` or `wrong-tournament`"),
        ("413", "`body-too-large`"),
        ("415", "`content-type-wrong`"),
        ("422", "`probability-out-of-range`, `stake-not-an-amount` or `body-invalid`"),
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
