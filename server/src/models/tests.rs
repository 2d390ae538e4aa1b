//! Artifacts on disk. What needs a tournament is tested where the API is (`api/tests`).

use super::*;

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut incoming = Incoming::begin(folder.path()).await.expect("begins");
    incoming.write(b"half").await.expect("writes");
    drop(incoming);
    let empty = Incoming::begin(folder.path())
        .await
        .expect("begins")
        .finish()
        .await;
    assert!(matches!(empty, Err(ModelError::EmptyArtifact)));
    let mut large = Incoming::begin(folder.path()).await.expect("begins");
    let chunk = vec![0; 16_000_000];
    for _ in 0..4 {
        large.write(&chunk).await.expect("within the limit");
    }
    assert!(matches!(
        large.write(b"x").await,
        Err(ModelError::ArtifactTooLarge)
    ));
    drop(large);
    assert_eq!(
        std::fs::read_dir(folder.path())
            .expect("the folder")
            .count(),
        0
    );
}
