//! CLIENT REPLY, MONITOR and subscriptions in unusual places, as redis-server 7.0.15 answers them.

use crate::scene::Scene;

const SUBSCRIBED: &str =
    "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n";

#[test]
fn a_command_that_waits_is_silenced_too() {
    let scene = Scene::new();
    let (mut waiting, mut other) = (scene.connect(), scene.connect());
    waiting.send("CLIENT REPLY OFF\r\nBLPOP list 0\r\nSET done 1\r\nCLIENT REPLY ON\r\n");
    // Pushed until somebody has waited: then nothing is left of it.
    loop {
        other.ask("RPUSH list x\r\n", ":1\r\n");
        other.send("LLEN list\r\n");
        if other.line() == ":0" {
            break;
        }
        other.ask("DEL list\r\n", ":1\r\n");
    }
    waiting.expect("+OK\r\n");
    waiting.ask("GET done\r\n", "$1\r\n1\r\n");
}

#[test]
fn a_wait_that_is_skipped_is_the_one_answer_that_is() {
    let scene = Scene::new();
    let mut wire = scene.connect();
    wire.send("CLIENT REPLY SKIP\r\nBLPOP list 0.01\r\nPING\r\n");
    wire.expect("+PONG\r\n");
}

#[test]
fn subscriptions_are_confirmed_to_a_silenced_client() {
    let scene = Scene::new();
    let mut wire = scene.connect();
    wire.ask("CLIENT REPLY OFF\r\nSUBSCRIBE a b\r\n", SUBSCRIBED);
    let mut wire = scene.connect();
    wire.send("CLIENT REPLY SKIP\r\nSUBSCRIBE a b\r\nPING\r\n");
    wire.expect(format!("{SUBSCRIBED}*2\r\n$4\r\npong\r\n$0\r\n\r\n"));
}

#[test]
fn a_transaction_may_subscribe() {
    let scene = Scene::new();
    let mut wire = scene.connect();
    wire.ask(
        "MULTI\r\nSUBSCRIBE a b\r\nPING\r\nUNSUBSCRIBE\r\nPING\r\n",
        "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n",
    );
    wire.send("EXEC\r\n");
    wire.expect(format!("*4\r\n{SUBSCRIBED}*2\r\n$4\r\npong\r\n$0\r\n\r\n"));
    wire.bytes("*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:1\r\n".len() * 2);
    wire.expect("+PONG\r\n");
}

#[test]
fn who_monitors_sees_its_own_commands_behind_their_answers_and_no_keys() {
    let scene = Scene::new();
    let mut wire = scene.connect();
    wire.ask("MONITOR\r\nPING\r\n", "+OK\r\n+PONG\r\n");
    let line = wire.line();
    let from = format!("[0 {}] \"PING\"", wire.local());
    assert!(line.ends_with(&from), "{line}");
    let refusal = "-ERR Replica can't interact with the keyspace\r\n";
    wire.ask("GET a\r\nMONITOR\r\nSET a 1\r\n", refusal.repeat(2));
    wire.ask("RESET\r\nGET a\r\n", "+RESET\r\n$-1\r\n");
    wire.ask("MULTI\r\nMONITOR\r\nPING\r\n", "+OK\r\n+QUEUED\r\n+QUEUED\r\n");
    wire.ask(
        "EXEC\r\n",
        "*2\r\n-ERR MONITOR isn't allowed for DENY BLOCKING client\r\n+PONG\r\n",
    );
}

#[test]
fn an_unknown_command_is_shown_up_to_its_first_nul() {
    let scene = Scene::new();
    let mut wire = scene.connect();
    wire.request(&[b"foo\0bar", b"a\0b", b"c"]);
    wire.expect("-ERR unknown command 'foo', with args beginning with: 'a' 'c' \r\n");
}
