//! The one thread that starts children and waits for them.
//!
//! The kernel sends a child its death signal when the *thread* that started it ends, so children
//! must never be started from a thread that may end before the process does. This thread lives as
//! long as anything holds a [`Spawner`], and every child holds one.

use std::io;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use tokio::sync::oneshot;

/// How often dying children are looked at; nothing is looked at while none is dying.
const TICK: Duration = Duration::from_millis(2);

#[derive(Clone, Debug)]
pub(crate) struct Spawner(mpsc::Sender<Request>);

#[derive(Debug)]
enum Request {
    Start(Command, oneshot::Sender<io::Result<Child>>),
    Reap(Dying),
}

#[derive(Debug)]
struct Dying {
    child: Child,
    /// Looks left until the child is killed; it is never waited for without an end.
    patience: u32,
    ended: oneshot::Sender<ExitStatus>,
}

impl Spawner {
    pub(crate) fn start() -> io::Result<Self> {
        let (sender, requests) = mpsc::channel();
        std::thread::Builder::new()
            .name("children".to_owned())
            .spawn(move || serve(&requests))?;
        Ok(Self(sender))
    }

    pub(crate) async fn spawn(&self, command: Command) -> io::Result<Child> {
        let (answer, child) = oneshot::channel();
        let gone = || io::Error::other("the thread that starts children has ended");
        self.0
            .send(Request::Start(command, answer))
            .map_err(|_| gone())?;
        child.await.map_err(|_| gone())?
    }

    /// Waits until `child` has ended by itself, `patience` long at most, then kills it.
    pub(crate) fn reap(&self, child: Child, patience: Duration) -> oneshot::Receiver<ExitStatus> {
        let (ended, status) = oneshot::channel();
        let looks = patience.as_millis() / TICK.as_millis();
        let dying = Dying {
            child,
            patience: u32::try_from(looks).unwrap_or(u32::MAX),
            ended,
        };
        if let Err(mpsc::SendError(Request::Reap(mut dying))) = self.0.send(Request::Reap(dying)) {
            // Without the thread the child must still not outlive us.
            drop(dying.child.kill());
        }
        status
    }
}

fn serve(requests: &mpsc::Receiver<Request>) {
    let mut dying: Vec<Dying> = Vec::new();
    loop {
        let next = if dying.is_empty() {
            requests.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            requests.recv_timeout(TICK)
        };
        match next {
            Ok(Request::Start(mut command, answer)) => {
                if let Err(Ok(orphan)) = answer.send(command.spawn()) {
                    dying.push(unwanted(orphan));
                }
            }
            Ok(Request::Reap(child)) => dying.push(child),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) if dying.is_empty() => return,
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(TICK),
        }
        dying = dying.into_iter().filter_map(look).collect();
    }
}

/// A child whose starter went away while it was being started.
fn unwanted(child: Child) -> Dying {
    Dying {
        child,
        patience: 0,
        ended: oneshot::channel().0,
    }
}

/// Answers the child back while it lives.
fn look(mut dying: Dying) -> Option<Dying> {
    match dying.child.try_wait() {
        Ok(Some(status)) => {
            dying.ended.send(status).ok();
            None
        }
        Ok(None) => {
            if dying.patience == 0 {
                drop(dying.child.kill());
            }
            dying.patience = dying.patience.saturating_sub(1);
            Some(dying)
        }
        Err(error) => {
            tracing::error!(%error, pid = dying.child.id(), "a child cannot be waited for");
            None
        }
    }
}
