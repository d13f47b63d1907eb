//! Tells events apart: HTTP in four shapes, batches of a queue, pings on a schedule, and direct calls.

use aws_lambda_events::sqs::SqsEvent;
use lambda_http::request::LambdaRequest;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::invoke::Invocation;

/// What the function was called for.
#[derive(Debug)]
pub(crate) enum Event {
    /// API Gateway (REST and HTTP APIs), a function URL, or a load balancer.
    Http(Box<LambdaRequest>),
    /// Messages of an SQS queue.
    Queue(SqsEvent),
    /// Somebody keeps the function warm.
    Ping,
    /// `aws lambda invoke`, or another function.
    Invoke(Box<Invocation>),
}

/// Why an event is not understood.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EventError {
    /// None of those above.
    #[error(
        "this event is not known: it is no HTTP request, no batch of SQS messages, no scheduled event, and has no member \
         `skerry` that says what to do (docs/lambda.md)"
    )]
    Unknown,
    /// It says that it is one of them, and is not.
    #[error("the event says that it is {kind}, and does not read as one")]
    Malformed {
        /// What it says it is.
        kind: &'static str,
        /// Where it goes wrong.
        source: serde_json::Error,
    },
}

/// The members by which events are told apart.
#[derive(Deserialize)]
struct Marks<'a> {
    #[serde(borrow, default, rename = "Records")]
    records: Option<Vec<RecordMark<'a>>>,
    #[serde(default, rename = "requestContext")]
    request_context: Option<IgnoredAny>,
    #[serde(default, rename = "httpMethod")]
    http_method: Option<IgnoredAny>,
    #[serde(default, rename = "detail-type")]
    detail_type: Option<IgnoredAny>,
    #[serde(default)]
    skerry: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct RecordMark<'a> {
    #[serde(borrow, default, rename = "eventSource")]
    source: std::borrow::Cow<'a, str>,
}

impl Event {
    /// Reads an event.
    ///
    /// # Errors
    /// [`EventError`].
    pub(crate) fn read(payload: &RawValue) -> Result<Event, EventError> {
        let json = payload.get();
        let marks: Marks<'_> = serde_json::from_str(json).map_err(|_| EventError::Unknown)?;
        if marks.skerry.is_some() {
            let kind = "a direct call";
            return serde_json::from_str(json)
                .map(Event::Invoke)
                .map_err(|source| EventError::Malformed { kind, source });
        }
        if let Some(records) = &marks.records {
            if records.iter().any(|record| record.source != "aws:sqs") {
                return Err(EventError::Unknown);
            }
            let kind = "a batch of SQS messages";
            return serde_json::from_str(json)
                .map(Event::Queue)
                .map_err(|source| EventError::Malformed { kind, source });
        }
        if marks.request_context.is_some() || marks.http_method.is_some() {
            let kind = "an HTTP request";
            return serde_json::from_str(json)
                .map(Event::Http)
                .map_err(|source| EventError::Malformed { kind, source });
        }
        if marks.detail_type.is_some() { Ok(Event::Ping) } else { Err(EventError::Unknown) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Event, EventError> {
        Event::read(&RawValue::from_string(json.to_owned()).unwrap())
    }

    /// The samples that the runtime's own crates publish, and what is none of them.
    #[test]
    fn events_are_told_apart() {
        for http in [
            include_str!("../tests/events/alb_request.json"),
            include_str!("../tests/events/apigw_proxy_request.json"),
            include_str!("../tests/events/apigw_v2_proxy_request.json"),
            include_str!("../tests/events/lambda_function_url_request.json"),
            include_str!("../tests/events/example-alb-lambda-target-request-multivalue-headers.json"),
        ] {
            assert!(matches!(read(http), Ok(Event::Http(_))), "{http}");
        }
        let queue = read(include_str!("../tests/events/example-sqs-event.json"));
        assert!(matches!(queue, Ok(Event::Queue(event)) if event.records.len() == 1));
        assert!(matches!(read(include_str!("../tests/events/example-eventbridge-schedule.json")), Ok(Event::Ping)));
        assert!(matches!(read(r#"{"skerry": "ping"}"#), Ok(Event::Invoke(_))));
        for unknown in ["{}", "[]", "7", r#"{"Records": [{"eventSource": "aws:s3"}]}"#] {
            assert!(matches!(read(unknown), Err(EventError::Unknown)), "{unknown}");
        }
        assert!(matches!(read(r#"{"skerry": "dance"}"#), Err(EventError::Malformed { .. })));
    }
}
