//! The process that holds several models: on the processor, since its logic needs no device. What
//! needs a CUDA device skips and says so.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use inference_runner::device::{Device, DeviceConfig, DeviceRunner};
use inference_runner::{Digest, Runtime, Status};

use crate::double::{PROGRAM, job, model, runner, runtime};

const WALL: Duration = Duration::from_secs(20);

fn device(executable: PathBuf, held_max: usize) -> DeviceRunner {
    DeviceRunner::new(DeviceConfig {
        runtime: runtime(),
        executable,
        device: Device::Cpu,
        memory_bytes: 1 << 30,
        held_max,
    })
}

/// A stand-in for the program: each start is noted; while `crashes` has a line it dies at once and
/// takes the line away, else it is the program.
fn fragile(folder: &Path, crashes: usize) -> PathBuf {
    let program = folder.join("fragile");
    std::fs::write(folder.join("left"), "x".repeat(crashes)).unwrap();
    // The shell is replaced by the program, so that its parent stays the same.
    let script = format!(
        "#!/bin/sh\ncd {folder}\necho start >> starts\n\
         env > environment\nleft=$(cat left)\n\
         if [ -n \"$left\" ]; then printf %s \"${{left#x}}\" > left; exit 7; fi\n\
         exec {PROGRAM} \"$@\"\n",
        folder = folder.display()
    );
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    program
}

fn starts(folder: &Path) -> usize {
    let noted = std::fs::read_to_string(folder.join("starts")).unwrap();
    noted.lines().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn several_models_share_a_process_and_answer_as_in_the_sandbox() {
    let folder = tempfile::tempdir().unwrap();
    let device = device(fragile(folder.path(), 0), 2);
    let sandbox = runner();
    // Three models, two places: one is let go and comes back.
    for name in [
        "dense_n2",
        "linear_n1",
        "dense_n2",
        "linear_n",
        "dense_n2",
        "linear_n1",
    ] {
        let job = job(name, 40);
        let shared = device.run(Digest::of(&job.model), &job, WALL).await;
        let alone = sandbox.run(&job, WALL).await;
        assert_eq!(shared.status, Status::Ok, "{name}: {}", shared.detail());
        assert_eq!(shared.p, alone.p, "{name}");
    }
    assert_eq!(starts(folder.path()), 1);
    // The runner's key may stand in its environment; cargo's variables do here.
    assert!(std::env::vars().any(|(name, _)| name.starts_with("CARGO")));
    let handed = std::fs::read_to_string(folder.path().join("environment")).unwrap();
    assert!(handed.contains("ORT_DISABLE_TELEMETRY=1"), "{handed}");
    assert!(!handed.contains("CARGO"), "{handed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_does_not_load_harms_no_other() {
    let device = device(PROGRAM.into(), 8);
    for (name, status) in [
        ("dense_n2", Status::Ok),
        ("garbage", Status::LoadError),
        ("nan_output", Status::BadOutput),
        ("dense_n2", Status::Ok),
    ] {
        let job = job(name, 3);
        let outcome = device.run(Digest::of(&job.model), &job, WALL).await;
        assert_eq!(outcome.status, status, "{name}: {}", outcome.detail());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_is_run_again_alone_and_blamed_only_when_it_comes_again() {
    let folder = tempfile::tempdir().unwrap();
    let innocent = device(fragile(folder.path(), 1), 8);
    let job = job("dense_n2", 3);
    let digest = Digest::of(&model("dense_n2"));
    let outcome = innocent.run(digest, &job, WALL).await;
    assert_eq!(outcome.status, Status::Ok, "{}", outcome.detail());
    assert_eq!(starts(folder.path()), 2, "the crash, then the model alone");
    let again = innocent.run(digest, &job, WALL).await;
    assert_eq!((again.status, starts(folder.path())), (Status::Ok, 2));
    let folder = tempfile::tempdir().unwrap();
    let culprit = device(fragile(folder.path(), 2), 8);
    let outcome = culprit.run(digest, &job, WALL).await;
    assert_eq!(outcome.status, Status::RunError);
    assert_eq!(outcome.reasons[0].code, "device-crash");
    let next = culprit.run(digest, &job, WALL).await;
    assert_eq!(
        next.status,
        Status::Ok,
        "a fresh process is there for the next"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_beyond_its_time_is_killed_and_the_next_runs() {
    let device = device(PROGRAM.into(), 8);
    // The scanner lets no endless model through: many rows in no time are as good.
    let slow = job("dense_n2", 20_000);
    let wall = Duration::from_micros(200);
    let outcome = device.run(Digest::of(&slow.model), &slow, wall).await;
    assert_eq!(outcome.status, Status::LimitWall, "{}", outcome.detail());
    let good = job("dense_n2", 3);
    let outcome = device.run(Digest::of(&good.model), &good, WALL).await;
    assert_eq!(outcome.status, Status::Ok, "{}", outcome.detail());
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_cuda_device_a_dense_net_answers_as_on_the_processor() {
    use std::io::Write;
    let named = std::env::var_os("FORETOKEN_ORT_GPU").map(PathBuf::from);
    let is_there = Path::new("/dev/nvidiactl").exists();
    let (Some(path), true) = (named, is_there) else {
        let why = "skipped: no CUDA device, or FORETOKEN_ORT_GPU does not name the library\n";
        std::io::stderr().write_all(why.as_bytes()).unwrap();
        return;
    };
    let cuda = DeviceRunner::new(DeviceConfig {
        runtime: Runtime::find(Some(&path), |_| None).unwrap(),
        executable: PROGRAM.into(),
        device: Device::Cuda,
        memory_bytes: 1 << 30,
        held_max: 8,
    });
    let job = job("dense_n2", 256);
    let on_device = cuda.run(Digest::of(&job.model), &job, WALL * 3).await;
    assert_eq!(on_device.status, Status::Ok, "{}", on_device.detail());
    let on_processor = runner().run(&job, WALL).await;
    let gaps = on_device
        .p
        .iter()
        .zip(&on_processor.p)
        .map(|(a, b)| (a - b).abs());
    let largest = gaps.fold(0.0, f64::max);
    assert!(largest <= 1e-4, "{largest}");
}
