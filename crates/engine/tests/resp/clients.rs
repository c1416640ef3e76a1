//! Who a client is: password, protocol, and its end by QUIT or CLIENT KILL.

use oxherd_engine::{Limits, Options};

use crate::scene::Scene;

#[test]
fn a_client_says_the_password_before_anything_else() {
    let scene = Scene::with(Options::default().password("secret"), Limits::default());
    let mut wire = scene.connect();
    wire.ask("PING\r\n", "-NOAUTH Authentication required.\r\n");
    wire.ask(
        "AUTH wrong\r\n",
        "-WRONGPASS invalid username-password pair or user is disabled.\r\n",
    );
    wire.ask("AUTH secret\r\nPING\r\n", "+OK\r\n+PONG\r\n");
    // The small limits are over in the middle of what was sent together.
    let mut other = scene.connect();
    let keys = "$1\r\na\r\n".repeat(20);
    other.ask(
        format!("AUTH secret\r\n*21\r\n$6\r\nEXISTS\r\n{keys}"),
        "+OK\r\n:0\r\n",
    );
}

#[test]
fn hello_changes_the_shape_of_replies_from_its_own_on() {
    let scene = Scene::new();
    let mut wire = scene.connect();
    wire.send("GET a\r\nHELLO 3\r\nGET a\r\nHELLO 2\r\nGET a\r\n");
    wire.expect(
        "$-1\r\n%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n$5\r\nproto\r\n:3\r\n",
    );
    wire.expect("$2\r\nid\r\n");
    assert!(wire.line().starts_with(':'));
    wire.expect("$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n_\r\n*14\r\n");
    for _ in 0..24 {
        wire.line();
    }
    wire.expect("*0\r\n$-1\r\n");
}

#[test]
fn a_client_may_authenticate_and_choose_the_protocol_at_once() {
    let scene = Scene::with(Options::default().password("secret"), Limits::default());
    let mut wire = scene.connect();
    wire.send("HELLO 3 AUTH default secret SETNAME me\r\n");
    assert_eq!(wire.line(), "%7");
    wire.send("CLIENT GETNAME\r\n");
    while wire.line() != "*0" {}
    wire.expect("$2\r\nme\r\n");
}

#[test]
fn quit_is_answered_and_what_follows_is_not() {
    let scene = Scene::new();
    let mut wire = scene.connect();
    wire.send("SET a 1\r\nQUIT\r\nSET a 2\r\n");
    assert_eq!(wire.rest(), b"+OK\r\n+OK\r\n");
    scene.connect().ask("GET a\r\n", "$1\r\n1\r\n");
}

fn id(wire: &mut crate::scene::Wire) -> String {
    wire.send("CLIENT ID\r\n");
    wire.line().split_off(1)
}

#[test]
fn a_client_can_be_closed_by_another() {
    let scene = Scene::new();
    let (mut first, mut second) = (scene.connect(), scene.connect());
    let victim = id(&mut first);
    second.ask(format!("CLIENT KILL ID {victim}\r\n"), ":1\r\n");
    first.expect_closed();
    second.ask("PING\r\n", "+PONG\r\n");
}

#[test]
fn a_client_that_closes_itself_hears_so_first() {
    let scene = Scene::new();
    let mut wire = scene.connect();
    let own = id(&mut wire);
    wire.send(format!("CLIENT KILL ID {own} SKIPME no\r\nPING\r\n"));
    assert_eq!(wire.rest(), b":1\r\n");
}

#[test]
fn replies_can_be_switched_off() {
    let scene = Scene::new();
    let mut wire = scene.connect();
    wire.ask(
        "CLIENT REPLY OFF\r\nSET a 1\r\nfoo\r\nCLIENT REPLY ON\r\nGET a\r\n",
        "+OK\r\n$1\r\n1\r\n",
    );
    wire.ask("CLIENT REPLY SKIP\r\nSET a 2\r\nGET a\r\n", "$1\r\n2\r\n");
}

#[test]
fn there_are_at_most_so_many_clients() {
    let scene = Scene::new();
    let mut wire = scene.connect();
    wire.ask("CONFIG SET maxclients 2\r\n", "+OK\r\n");
    let mut second = scene.connect();
    second.ask("PING\r\n", "+PONG\r\n");
    assert_eq!(scene.connect().rest(), b"-ERR max number of clients reached\r\n");
    second.send("QUIT\r\n");
    assert_eq!(second.rest(), b"+OK\r\n");
    // Its place was free before its socket was closed.
    scene.connect().ask("PING\r\n", "+PONG\r\n");
}

#[test]
fn a_client_knows_its_addresses() {
    let scene = Scene::new();
    let mut wire = scene.connect();
    wire.send("CLIENT INFO\r\n");
    wire.line();
    let line = wire.line();
    assert!(line.contains(&format!(" laddr={} ", scene.address())), "{line}");
    assert!(line.contains(&format!(" addr={} ", wire.local())), "{line}");
}
