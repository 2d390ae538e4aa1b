//! A real browser: chromedriver as a process of the test, one window, what it logged and loaded.

use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::common::log::LoggingPrefsLogLevel;
use thirtyfour::{ChromiumLikeCapabilities, DesiredCapabilities, WebDriver};

use crate::demo::free_port;
use crate::process::Running;
use crate::process_tree::{Descendant, descendants};
use crate::{scratch, wait};

/// Debian's place of the driver; `FORETOKEN_CHROMEDRIVER` names another.
const DRIVER: &str = "/usr/bin/chromedriver";
/// The driver answers by then.
const START_LIMIT: Duration = Duration::from_secs(20);
/// No page needs to be taller in a picture.
const TALLEST_PIXELS: i64 = 6_000;
/// Without these a browser calls home or does not start as root.
const ARGUMENTS: [&str; 11] = [
    "--headless",
    // The browser ends when the other end of the pipe does, however the driver dies.
    "--remote-debugging-pipe",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
];

/// A browser with one window; dropping it ends browser and driver.
pub struct Browser {
    driver: WebDriver,
    process: Running,
    _folder: TempDir,
}

/// A line of the browser's console.
#[derive(Clone, Debug)]
pub struct ConsoleLine {
    /// `SEVERE`, `WARNING`, `INFO`, …
    pub level: String,
    /// Where and what.
    pub message: String,
}

impl Browser {
    /// Starts chromedriver on a free port and opens a window.
    ///
    /// # Errors
    /// When either is missing or does not start.
    pub async fn start() -> anyhow::Result<Self> {
        let program = std::env::var_os("FORETOKEN_CHROMEDRIVER").unwrap_or_else(|| DRIVER.into());
        let folder = scratch::folder("browser")?;
        let port = free_port()?;
        let mut command = Command::new(program);
        command.arg(format!("--port={port}"));
        // Chromium keeps sockets and crash reports there otherwise.
        command
            .env("HOME", folder.path())
            .env("XDG_CONFIG_HOME", folder.path());
        let process = Running::start(command, folder.path(), "chromedriver");
        let process = process.context("chromedriver: run `cargo xtask setup tests`")?;
        let url = format!("http://127.0.0.1:{port}");
        wait_for_driver(&url).await?;
        let mut wanted = DesiredCapabilities::chrome();
        for argument in ARGUMENTS {
            wanted.add_arg(argument)?;
        }
        wanted.add_arg(&format!(
            "--user-data-dir={}",
            folder.path().join("profile").display()
        ))?;
        wanted.set_browser_log_level(LoggingPrefsLogLevel::All)?;
        wanted.set_logging_prefs("performance", LoggingPrefsLogLevel::All)?;
        let driver = WebDriver::new(url, wanted)
            .await
            .context("the browser does not start")?;
        let browser = Self {
            driver,
            process,
            _folder: folder,
        };
        // A browser begins with a page of its own, which loads and logs what is not ours.
        browser.open("about:blank").await?;
        browser.console().await?;
        browser.requests().await?;
        Ok(browser)
    }

    /// Makes the page as wide and tall as a device.
    ///
    /// # Errors
    /// When the browser refuses.
    pub async fn resize(&self, width: i64, height: i64) -> anyhow::Result<()> {
        let metrics = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500,
        });
        self.driver
            .cdp()
            .send_raw("Emulation.setDeviceMetricsOverride", metrics)
            .await?;
        Ok(())
    }

    /// Opens a page and waits until it is loaded.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub async fn open(&self, url: &str) -> anyhow::Result<()> {
        self.driver
            .goto(url)
            .await
            .with_context(|| format!("{url} does not open"))
    }

    /// Runs a script in the page and answers what it returns.
    ///
    /// # Errors
    /// When the script fails.
    pub async fn eval(&self, script: &str) -> anyhow::Result<Value> {
        let returned = self.driver.execute(script, Vec::new()).await;
        let returned = returned.with_context(|| format!("the script failed: {script}"))?;
        Ok(returned.json().clone())
    }

    /// The text that people see on the page.
    ///
    /// # Errors
    /// When there is no page.
    pub async fn text(&self) -> anyhow::Result<String> {
        let text = self.eval("return document.body.innerText").await?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// The width that the page takes, in CSS pixels.
    ///
    /// # Errors
    /// When there is no page.
    pub async fn page_width(&self) -> anyhow::Result<i64> {
        let width = self
            .eval("return document.documentElement.scrollWidth")
            .await?;
        width.as_i64().context("a width is a number")
    }

    /// Saves a picture of the whole page as `<name>.png` among the screenshots.
    ///
    /// # Errors
    /// When it cannot be taken or written.
    pub async fn screenshot(&self, name: &str, width: i64) -> anyhow::Result<()> {
        let height = self
            .eval("return document.documentElement.scrollHeight")
            .await?;
        self.resize(
            width,
            height.as_i64().unwrap_or(800).clamp(600, TALLEST_PIXELS),
        )
        .await?;
        let picture = self.driver.screenshot_as_png().await?;
        std::fs::write(scratch::screenshots()?.join(format!("{name}.png")), picture)?;
        Ok(())
    }

    /// The console's lines since the last call.
    ///
    /// # Errors
    /// When the driver does not answer.
    pub async fn console(&self) -> anyhow::Result<Vec<ConsoleLine>> {
        let lines = self.driver.browser_log().await?;
        Ok(lines
            .into_iter()
            .map(|line| ConsoleLine {
                level: line.level,
                message: line.message,
            })
            .collect())
    }

    /// The addresses that were requested since the last call.
    ///
    /// # Errors
    /// When the driver does not answer.
    pub async fn requests(&self) -> anyhow::Result<Vec<String>> {
        let mut urls = Vec::new();
        for line in self.driver.get_log("performance").await? {
            let event: Value = serde_json::from_str(&line.message)?;
            if event.pointer("/message/method").and_then(Value::as_str)
                == Some("Network.requestWillBeSent")
            {
                let url = event
                    .pointer("/message/params/request/url")
                    .and_then(Value::as_str);
                urls.extend(url.map(str::to_owned));
            }
        }
        Ok(urls)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ending the session politely would wait for the runtime that this thread holds up.
        self.driver.clone().leak().ok();
        descendants(self.process.pid())
            .iter()
            .for_each(Descendant::kill);
    }
}

async fn wait_for_driver(url: &str) -> anyhow::Result<()> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    wait::until("chromedriver", START_LIMIT, async || {
        let answer = http.get(format!("{url}/status")).send().await;
        Ok(answer
            .is_ok_and(|answer| answer.status().is_success())
            .then_some(()))
    })
    .await
}
