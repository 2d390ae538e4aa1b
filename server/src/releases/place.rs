//! Where releases lie: a folder, or a bucket of an S3-compatible store.
//!
//! Must never write an address that carries a secret into a message: keys of a bucket come from the
//! usual `AWS_…` variables alone.

use std::path::Path as Folder;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;

use super::ReleaseError;

/// The store and its name for people.
pub(super) fn open(
    data_dir: &Folder,
    url: Option<&str>,
) -> Result<(Arc<dyn ObjectStore>, String), ReleaseError> {
    match url {
        None => folder(&data_dir.join("datasets")),
        Some(url) => bucket(url).map(|store| (store, url.to_owned())),
    }
}

fn folder(folder: &Folder) -> Result<(Arc<dyn ObjectStore>, String), ReleaseError> {
    let name = folder.display().to_string();
    let refused = |reason: String| ReleaseError::Place {
        url: name.clone(),
        reason,
    };
    std::fs::create_dir_all(folder).map_err(|error| refused(error.to_string()))?;
    let store =
        LocalFileSystem::new_with_prefix(folder).map_err(|error| refused(error.to_string()))?;
    // A manifest must not be durable before the files that it names.
    Ok((Arc::new(store.with_fsync(true)), name))
}

fn bucket(url: &str) -> Result<Arc<dyn ObjectStore>, ReleaseError> {
    let refused = |reason: &str| ReleaseError::Place {
        url: url.to_owned(),
        reason: reason.to_owned(),
    };
    let place = url.strip_prefix("s3://").ok_or_else(|| {
        refused("an address is s3://BUCKET or s3://BUCKET/PREFIX; without one a folder is used")
    })?;
    let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
    if bucket.is_empty() || bucket.contains(['@', ':', '?']) {
        return Err(refused("it names no bucket"));
    }
    let prefix = Path::parse(prefix.trim_end_matches('/'))
        .map_err(|error| refused(&format!("its prefix is wrong: {error}")))?;
    let store = AmazonS3Builder::from_env().with_bucket_name(bucket).build();
    let store = store.map_err(|error| refused(&error.to_string()))?;
    Ok(Arc::new(PrefixStore::new(store, prefix)))
}
