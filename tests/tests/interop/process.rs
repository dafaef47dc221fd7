//! Programs as child processes: what they print, and how they end. Every wait has a deadline, and says what the
//! program printed if it passes.

use std::io::ErrorKind;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::{interval, timeout};

/// How long anything may take. The clip lasts 5 seconds; the rest is for slow machines.
pub(crate) const DEADLINE: Duration = Duration::from_secs(40);

/// How often a file or a port is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// How much of what a program printed is shown when it failed.
const SHOWN_LINES: usize = 40;

/// A running program, killed when dropped.
pub(crate) struct Process {
    name: String,
    child: Child,
    stdout: watch::Receiver<String>,
    stderr: watch::Receiver<String>,
}

/// A program that has ended.
pub(crate) struct Ended {
    /// `None` if a signal ended it.
    pub(crate) exit_code: Option<i32>,
    pub(crate) stderr: String,
}

impl Process {
    /// Starts `command` without standard input. In failures it is called `name`.
    pub(crate) fn start(name: impl Into<String>, command: &mut Command) -> Self {
        let name = name.into();
        let program = command.as_std().get_program().to_string_lossy().into_owned();
        let started = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let mut child = match started {
            Ok(child) => child,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                panic!("{program} is not installed; this suite runs real programs and can not do without")
            }
            Err(error) => panic!("{name} did not start: {error}"),
        };
        let stdout = collect(child.stdout.take().expect("standard output is piped"));
        let stderr = collect(child.stderr.take().expect("standard error is piped"));
        Self {
            name,
            child,
            stdout,
            stderr,
        }
    }

    /// Waits until the program has printed `what` on standard error `times` times.
    pub(crate) async fn logs(&mut self, what: &str, times: usize) {
        let logged = self.stderr.wait_for(|text| text.matches(what).count() >= times);
        if !matches!(timeout(DEADLINE, logged).await, Ok(Ok(_))) {
            panic!(
                "{} did not log {what:?} {times} times{}",
                self.name,
                self.printed()
            );
        }
    }

    /// Waits for a line on standard output that begins with `prefix`, and gives the rest of it.
    pub(crate) async fn prints(&mut self, prefix: &str) -> String {
        let line = |text: &str| {
            let whole_lines = text
                .split_inclusive('\n')
                .filter_map(|line| line.strip_suffix('\n'));
            whole_lines
                .filter_map(|line| line.strip_prefix(prefix))
                .map(str::to_owned)
                .next()
        };
        let printed = timeout(DEADLINE, self.stdout.wait_for(|text| line(text).is_some())).await;
        if let Some(rest) = printed.ok().and_then(Result::ok).and_then(|text| line(&text)) {
            return rest;
        }
        panic!("{} did not print {prefix:?}{}", self.name, self.printed());
    }

    /// Whether the program has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some())
    }

    /// Asks the program to end, as a service manager does.
    pub(crate) async fn terminate(&self) {
        self.signal("TERM").await;
    }

    /// Sends the program a signal.
    pub(crate) async fn signal(&self, name: &str) {
        let id = self.child.id().expect("the program still runs");
        let killed = Command::new("sh")
            .args(["-c", &format!("kill -{name} {id}")])
            .status()
            .await;
        assert!(
            killed.is_ok_and(|status| status.success()),
            "{} could not be signalled",
            self.name
        );
    }

    /// Ends the program as a crash does, and waits until it is gone.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.expect("a child can be killed");
    }

    /// Waits until the program ends by itself.
    pub(crate) async fn ended(mut self) -> Ended {
        let Ok(status) = timeout(DEADLINE, self.child.wait()).await else {
            panic!("{} did not end{}", self.name, self.printed());
        };
        let exit_code = status.expect("a child can be waited for").code();
        // An error means that the output is complete.
        let _ = timeout(DEADLINE, self.stderr.wait_for(|_| false)).await;
        let stderr = self.stderr.borrow().clone();
        Ended { exit_code, stderr }
    }

    /// Waits until the program ends by itself, with exit code 0.
    pub(crate) async fn succeeded(self) {
        let name = self.name.clone();
        let ended = self.ended().await;
        assert_eq!(
            ended.exit_code,
            Some(0),
            "exit code of {name}, which printed:\n{}",
            tail(&ended.stderr)
        );
    }

    /// What the program printed on standard error, for the text of a failure.
    pub(crate) fn printed(&self) -> String {
        format!("; it printed:\n{}", tail(&self.stderr.borrow()))
    }
}

/// Gathers what a program prints, so that it never waits for us.
fn collect(mut output: impl AsyncRead + Unpin + Send + 'static) -> watch::Receiver<String> {
    let (text, collected) = watch::channel(String::new());
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        while let Ok(len @ 1..) = output.read(&mut buffer).await {
            let part = String::from_utf8_lossy(&buffer[..len]);
            text.send_modify(|text| text.push_str(&part));
        }
    });
    collected
}

fn tail(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
}

/// Waits until `is_so`.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let polled = async {
        let mut ticks = interval(POLL_INTERVAL);
        while !is_so().await {
            ticks.tick().await;
        }
    };
    assert!(
        timeout(DEADLINE, polled).await.is_ok(),
        "it took too long until {what}"
    );
}

/// Waits until a file has `len` bytes.
pub(crate) async fn file_grown(path: &Path, len: u64) {
    let what = format!("{} had {len} bytes", path.display());
    until(&what, async || {
        path.metadata().is_ok_and(|file| file.len() >= len)
    })
    .await;
}
