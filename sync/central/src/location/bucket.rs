//! Buckets: S3, Amazon's or another's.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, RetryConfig};

use super::{LocationError, LocationOptions};
use crate::store::CentralStore;

/// How long one request to S3 may take, its body included.
const REQUEST_MAX: Duration = Duration::from_mins(1);

/// How long connecting to S3 may take.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// How long a failing request to S3 is tried again before the hub's clients are told.
const RETRY_MAX: Duration = Duration::from_secs(10);

/// Retries of one request to S3.
const RETRIES_MAX: usize = 4;

pub(super) fn open_bucket(
    location: &str,
    bucket: &str,
    prefix: &str,
    options: &LocationOptions,
) -> Result<CentralStore, LocationError> {
    let failed = |reason: String| LocationError::Bucket { location: location.to_owned(), reason };
    use_ring();
    let client = ClientOptions::new().with_timeout(REQUEST_MAX).with_connect_timeout(CONNECT_MAX);
    let backoff = BackoffConfig { max_backoff: Duration::from_secs(2), ..BackoffConfig::default() };
    let retry = RetryConfig { backoff, max_retries: RETRIES_MAX, retry_timeout: RETRY_MAX };
    let loopback = options.s3_endpoint.as_deref().is_some_and(is_plain_loopback);
    let client = if loopback { client.with_allow_http(true) } else { client };
    let mut builder =
        AmazonS3Builder::from_env().with_client_options(client).with_bucket_name(bucket).with_retry(retry);
    if let Some(endpoint) = &options.s3_endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    let objects = builder.build().map_err(|error| failed(error.to_string()))?;
    let prefix = Path::parse(prefix).map_err(|error| failed(error.to_string()))?;
    Ok(CentralStore::new(Arc::new(objects), prefix))
}

/// Unencrypted HTTP is for services on this machine only.
fn is_plain_loopback(endpoint: &str) -> bool {
    let Ok(uri) = endpoint.parse::<http::Uri>() else { return false };
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// All TLS of this process by ring, as elsewhere in the workspace.
pub fn use_ring() {
    // An error says that a provider was chosen before; that one serves as well.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        tracing::debug!("a TLS provider was chosen before");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tokens and data must not cross a network in the clear because somebody forgot the s of https.
    #[test]
    fn plain_http_is_for_this_machine() {
        assert!(is_plain_loopback("http://127.0.0.1:9000") && is_plain_loopback("http://[::1]:9000"));
        assert!(!is_plain_loopback("http://10.0.0.1:9000") && !is_plain_loopback("http://localhost.example"));
    }
}
