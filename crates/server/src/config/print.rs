//! The settings in force as TOML, each with where it came from.
//!
//! What is printed can be read back, secrets aside: those are replaced by text that no server would accept.

use std::fmt::Write as _;

use super::Config;
use super::setting::Setting;

/// Where the comments begin, if the setting leaves room.
const COMMENT_COLUMN: usize = 44;

pub(super) fn print(config: &Config) -> String {
    let mut out = format!(
        "# Settings in force, Oxherd {}. Secrets are redacted.\n",
        env!("CARGO_PKG_VERSION")
    );
    let quoted = |text: &str| toml::Value::from(text).to_string();
    let milliseconds = config.shutdown_grace.as_millis();
    line(
        &mut out,
        "store",
        &quoted(&config.store.to_string()),
        &config.store,
    );
    line(&mut out, "prefix", &quoted(&config.prefix), &config.prefix);
    line(
        &mut out,
        "listen",
        &quoted(&config.listen.to_string()),
        &config.listen,
    );
    match config.resp.value {
        Some(address) => line(&mut out, "resp", &quoted(&address.to_string()), &config.resp),
        None => out.push_str("# resp is not set: no Redis client can use a store in this process\n"),
    }
    match config.max_memory.value {
        Some(bytes) => line(&mut out, "max_memory", &bytes.to_string(), &config.max_memory),
        None => out.push_str("# max_memory is not set: a store in this process grows as it must\n"),
    }
    match &config.token.value {
        Some(_) => line(&mut out, "token", &quoted("***"), &config.token),
        None => out.push_str("# token is not set: only this machine can use the server\n"),
    }
    line(&mut out, "log", &quoted(&config.log), &config.log);
    line(
        &mut out,
        "log_format",
        &quoted(config.log_format.as_str()),
        &config.log_format,
    );
    line(
        &mut out,
        "max_body",
        &config.max_body.to_string(),
        &config.max_body,
    );
    line(
        &mut out,
        "shutdown_grace",
        &milliseconds.to_string(),
        &config.shutdown_grace,
    );
    let mask = match config.mask.names() {
        [] => quoted("none"),
        names => toml::Value::from(names.to_vec()).to_string(),
    };
    line(&mut out, "mask", &mask, &config.mask);
    let file = config
        .file
        .as_ref()
        .map(|file| file.display().to_string())
        .unwrap_or_default();
    for (name, queue) in &config.queues {
        let _ = write!(
            out,
            "\n[queues.{}] # {file}:{}\n",
            quoted(name.as_str()),
            queue.line
        );
        if let Some(most) = queue.max_waiting {
            let _ = writeln!(out, "max_waiting = {most}");
        }
    }
    for table in &config.webhooks {
        let _ = write!(out, "\n[[webhooks]] # {file}:{}\n", table.line);
        match toml::to_string(&table.config) {
            Ok(text) => out.push_str(&text.replace("\n[rate_limit]", "\n[webhooks.rate_limit]")),
            Err(error) => {
                let _ = writeln!(out, "# cannot be shown: {error}");
            }
        }
    }
    out
}

fn line<T>(out: &mut String, key: &str, value: &str, setting: &Setting<T>) {
    let text = format!("{key} = {value}");
    let _ = writeln!(out, "{text:COMMENT_COLUMN$} # {}", setting.source);
}
