//! Settings: who wins, what is refused, what is printed.

use std::collections::BTreeMap;
use std::time::Duration;

use oxherd_server::config::{Config, ConfigError, ConfigFile, Flags, LogFormat, Source};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn resolve(flags: &Flags, environment: &[(&str, &str)], toml: &str) -> Result<Config, ConfigError> {
    let environment: BTreeMap<String, String> = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let file = ConfigFile {
        path: "oxherd.toml".into(),
        text: toml.to_owned(),
    };
    Config::resolve(flags, &environment, Some(&file))
}

fn refused(toml: &str) -> String {
    resolve(&Flags::default(), &[], toml).unwrap_err().to_string()
}

#[test]
fn the_defaults_are_the_documented_ones() {
    let config = Config::resolve(&Flags::default(), &BTreeMap::new(), None).unwrap();
    assert_eq!(config.store.to_string(), "embedded:./oxherd-data");
    assert_eq!(*config.prefix, "bull");
    assert_eq!(config.listen.to_string(), "127.0.0.1:7070");
    assert!(config.token.is_none());
    assert_eq!(
        (config.log.as_str(), config.log_format.value),
        ("info", LogFormat::Text)
    );
    assert_eq!(
        (*config.max_body, *config.shutdown_grace),
        (1_048_576, Duration::from_secs(25))
    );
    assert!(config.warnings.is_empty());
}

#[test]
fn flag_beats_environment_beats_file_beats_default() {
    let file = "listen = '127.0.0.1:1'\nlog = 'warn'\nmax_body = '2MiB'\nshutdown_grace = 1500";
    let environment = [
        ("OXHERD_LISTEN", "127.0.0.1:2"),
        ("OXHERD_LOG", "debug"),
        ("OXHERD_MAX_BODY", ""),
    ];
    let flags = Flags {
        listen: Some("127.0.0.1:3".to_owned()),
        ..Flags::default()
    };
    let config = resolve(&flags, &environment, file).unwrap();
    assert_eq!(config.listen.port(), 3);
    assert_eq!(config.listen.source, Source::Flag("--listen".to_owned()));
    assert_eq!(*config.log, "debug");
    assert_eq!(config.log.source, Source::Environment("OXHERD_LOG".to_owned()));
    assert_eq!(*config.max_body, 2 * 1024 * 1024, "an empty variable is unset");
    assert_eq!(config.shutdown_grace.source.to_string(), "oxherd.toml:4");
    assert_eq!(config.log_format.source, Source::Default);
}

#[test]
fn the_prefix_may_stand_in_the_url_or_beside_it() {
    let prefix = |flags: &Flags, environment: &[(&str, &str)], toml: &str| {
        let config = resolve(flags, environment, toml).unwrap();
        assert_eq!(config.store.prefix(), *config.prefix);
        (config.prefix.value.clone(), config.prefix.source.to_string())
    };
    let none = Flags::default();
    let in_url = "store = 'redis://localhost?prefix=a'";
    assert_eq!(
        prefix(&none, &[], in_url),
        ("a".to_owned(), "oxherd.toml:1".to_owned())
    );
    let both = format!("{in_url}\nprefix = 'b'");
    assert_eq!(
        prefix(&none, &[], &both),
        ("b".to_owned(), "oxherd.toml:2".to_owned())
    );
    assert_eq!(prefix(&none, &[("OXHERD_PREFIX", "c")], &both).0, "c");
    let flags = Flags {
        store: Some("redis://localhost?prefix=d".to_owned()),
        ..Flags::default()
    };
    assert_eq!(
        prefix(&flags, &[("OXHERD_PREFIX", "c")], &both),
        ("d".to_owned(), "--store".to_owned())
    );
}

#[test]
fn every_fault_has_its_line_its_key_and_the_remedy() {
    for (toml, expected) in [
        (
            "\nlisten = '7070'",
            "oxherd.toml:2: listen: \"7070\" must be an IP address and a port, such as 127.0.0.1:7070",
        ),
        (
            "lisen = '127.0.0.1:1'",
            "oxherd.toml:1: lisen: is not a setting; did you mean `listen`?",
        ),
        (
            "frobnicate = 1",
            "oxherd.toml:1: frobnicate: is not a setting; known are store, prefix",
        ),
        ("listen = 7070", "oxherd.toml:1: listen: \"7070\" must be"),
        (
            "listen = true",
            "oxherd.toml:1: listen: must be a string, not a boolean",
        ),
        (
            "log_format = 'xml'",
            "oxherd.toml:1: log_format: \"xml\" must be text or json",
        ),
        (
            "shutdown_grace = 'soon'",
            "oxherd.toml:1: shutdown_grace: \"soon\" must be a number with a unit",
        ),
        (
            "store = 'mysql://x'",
            "oxherd.toml:1: store: invalid store URL: unknown scheme",
        ),
        (
            "prefix = 'a:'",
            "oxherd.toml:1: prefix: must not be empty or end with `:`",
        ),
        (
            "listen = '0.0.0.0:80'",
            "oxherd.toml:1: listen: 0.0.0.0:80 can be reached from other machines",
        ),
        (
            "token = 'two words'",
            "oxherd.toml:1: token: must be visible ASCII",
        ),
        ("mask = [1]", "oxherd.toml:1: mask: must be a list of strings"),
        ("a = 1\na = 2", "oxherd.toml:2: is no valid TOML"),
        ("x = ", "oxherd.toml:1: is no valid TOML"),
        (
            "[queues.mail]\nmax_wating = 5",
            "oxherd.toml:2: queues.mail.max_wating: is not a setting; did you mean `max_waiting`?",
        ),
        (
            "[queues.mail]\nmax_waiting = 0",
            "oxherd.toml:2: queues.mail.max_waiting: must be a whole number from 1",
        ),
        ("[queues.'a:b']", "oxherd.toml:1: queues.a:b: invalid queue name"),
        ("queues = 5", "oxherd.toml:1: queues: must be tables"),
        (
            "[webhooks]",
            "oxherd.toml:1: webhooks: must be tables in double brackets",
        ),
        (
            "[[webhooks]]",
            "oxherd.toml:1: webhooks.queues: name at least one queue",
        ),
        (
            "[[webhooks]]\nqueues = ['a']\nretries = 3",
            "oxherd.toml:3: webhooks.retries: unknown field `retries`",
        ),
        (
            "[[webhooks]]\nqueues = ['a']\ntimeout = 'x'",
            "oxherd.toml:3: webhooks.timeout: ",
        ),
        (
            "[[webhooks]]\nqueues = ['a']\n\ntimeout = '2m'",
            "oxherd.toml:4: webhooks.timeout: must be more than 0",
        ),
        (
            "[[webhooks]]\nqueues = ['a']\n[[webhooks]]\nqueues = ['b', 'a']",
            "oxherd.toml:4: webhooks.queues: \"a\" is delivered by the table on line 1",
        ),
    ] {
        let error = refused(toml);
        assert!(error.starts_with(expected), "{toml}\n  {error}");
    }
    let flags = Flags {
        max_body: Some("1".to_owned()),
        ..Flags::default()
    };
    let error = resolve(&flags, &[("OXHERD_STORE", "x")], "listen = 'y'").unwrap_err();
    let places: Vec<_> = error.faults().iter().map(|fault| fault.place.as_str()).collect();
    assert_eq!(places, ["OXHERD_STORE", "oxherd.toml:1", "--max-body"], "{error}");
}

#[test]
fn no_message_repeats_a_secret() {
    for toml in [
        format!("[[webhooks]]\nqueues = ['a']\nsecrets = '{SECRET}'"),
        format!("[[webhooks]]\nqueues = ['a']\nsecrets = ['{SECRET}!']"),
        format!("[[webhooks]]\nqueues = '{SECRET}'\nsecrets = ['{SECRET}']")
            .replace(&format!("queues = '{SECRET}'"), "queues = 'a'"),
        "store = 'redis//:geheim@host'".to_owned(),
        "token = 'geheim geheim'".to_owned(),
    ] {
        let error = refused(&toml);
        assert!(
            !error.contains("MfKQ9r8G") && !error.contains("geheim"),
            "{error}"
        );
    }
}

#[test]
fn a_misspelt_variable_is_worth_a_warning_and_others_are_none_of_our_business() {
    let environment = [("OXHERD_TOKN", "x"), ("OXHERD_SOMETHING_ELSE", "y")];
    let config = resolve(&Flags::default(), &environment, "token = 'short'").unwrap();
    assert_eq!(config.warnings.len(), 2, "{:?}", config.warnings);
    assert!(
        config.warnings[0].contains("did you mean OXHERD_TOKEN"),
        "{:?}",
        config.warnings
    );
    assert!(
        config.warnings[1].contains("can be guessed"),
        "{:?}",
        config.warnings
    );
}

#[test]
fn what_is_printed_hides_secrets_names_sources_and_can_be_read_back() {
    let toml = format!(
        "token = 'very-secret-token-1234'\nmask = ['pin']\n[queues.mail]\nmax_waiting = 10\n[[webhooks]]\nqueues = \
         ['a']\nsecrets = ['{SECRET}']\nrate_limit = {{ max = 5, per = '1s' }}\n"
    );
    let environment = [("OXHERD_STORE", "redis://:geheim@localhost:7000/2?prefix=app")];
    let printed = resolve(&Flags::default(), &environment, &toml).unwrap().print();
    for secret in ["very-secret", "geheim", "MfKQ9r8G"] {
        assert!(!printed.contains(secret), "{printed}");
    }
    for line in [
        "store = \"redis://:***@localhost:7000/2\" ",
        "prefix = \"app\" ",
        "# OXHERD_STORE\n",
        "# oxherd.toml:1\n",
        "listen = \"127.0.0.1:7070\" ",
        "# default\n",
        "[queues.\"mail\"] # oxherd.toml:3\nmax_waiting = 10\n",
        "[[webhooks]] # oxherd.toml:5\n",
        "[webhooks.rate_limit]\n",
    ] {
        assert!(printed.contains(line), "{line}\n{printed}");
    }
    let readable = printed.replace("whsec_redacted", SECRET);
    let again = resolve(&Flags::default(), &[], &readable).unwrap();
    assert_eq!(again.webhooks[0].config.rate_limit.unwrap().max.get(), 5);
    assert!(again.mask.names().contains(&"password".to_owned()), "{printed}");
    assert_eq!(again.mask.names().last().map(String::as_str), Some("pin"));
}

#[test]
fn masking_is_switched_off_by_none_alone() {
    let mask = |toml: &str| resolve(&Flags::default(), &[], toml).unwrap();
    let usual = mask("").mask.value;
    for toml in ["mask = []", "mask = ''", "mask = ['token']"] {
        assert_eq!(mask(toml).mask.value, usual, "{toml}");
    }
    for toml in ["mask = 'none'", "mask = ['none']"] {
        let config = mask(toml);
        assert!(config.mask.names().is_empty(), "{toml}");
        let printed = config.print();
        assert!(mask(&printed).mask.names().is_empty(), "{printed}");
    }
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let flags = Flags {
        config: Some("no/such/oxherd.toml".into()),
        ..Flags::default()
    };
    let error = Config::load(&flags).unwrap_err().to_string();
    assert!(
        error.starts_with("no/such/oxherd.toml: cannot be read: "),
        "{error}"
    );
}
