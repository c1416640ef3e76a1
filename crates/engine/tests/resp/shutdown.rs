//! The end of an endpoint.

use std::net::TcpStream;
use std::os::unix::net::UnixListener;

use oxherd_engine::Engine;

use crate::scene::{Scene, Wire, loopback};

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

#[test]
fn shutting_down_closes_clients_and_frees_the_address() {
    let scene = Scene::new();
    let address = scene.address();
    let mut wire = scene.connect();
    wire.ask("SET a 1\r\n", "+OK\r\n");
    let Scene { engine, server } = scene;
    block_on(server.shutdown());
    wire.expect_closed();
    assert!(TcpStream::connect(address).is_err());
    let server = engine.endpoint().listen_on(address).spawn_thread().unwrap();
    Scene { engine, server }.connect().ask("GET a\r\n", "$1\r\n1\r\n");
}

#[test]
fn dropping_the_handle_stops_the_endpoint() {
    let scene = Scene::new();
    let mut wire = scene.connect();
    drop(scene.server);
    wire.expect_closed();
}

#[test]
fn replies_leave_before_the_end() {
    let scene = Scene::new();
    let mut wire = scene.connect();
    let value = vec![b'v'; 8_000_000];
    wire.request(&[b"SET", b"a", &value]);
    wire.expect("+OK\r\n");
    wire.send("GET a\r\n");
    // The reply is longer than any socket buffer: its beginning says that it is under way.
    assert_eq!(wire.line(), "$8000000");
    let Scene {
        engine: _engine,
        server,
    } = scene;
    std::thread::scope(|scope| {
        let parting = scope.spawn(|| block_on(server.shutdown()));
        assert_eq!(wire.rest().len(), value.len() + 2);
        parting.join().unwrap();
    });
}

#[test]
fn the_socket_file_goes_unless_another_has_taken_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("engine.sock");
    let start = || {
        Engine::in_memory()
            .endpoint()
            .listen_on(path.clone())
            .spawn_thread()
            .unwrap()
    };
    block_on(start().shutdown());
    assert!(!path.exists());

    let server = start();
    std::fs::remove_file(&path).unwrap();
    let _successor = UnixListener::bind(&path).unwrap();
    block_on(server.shutdown());
    assert!(path.exists());
}

#[test]
fn an_endpoint_without_addresses_ends_at_once() {
    block_on(Engine::in_memory().endpoint().spawn_thread().unwrap().shutdown());
}

#[test]
fn clients_of_a_unix_socket_are_closed_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("engine.sock");
    let engine = Engine::in_memory();
    let server = engine
        .endpoint()
        .listen_on(path.clone())
        .listen_on(loopback())
        .spawn_thread()
        .unwrap();
    let mut wire = Wire::unix(&path);
    wire.ask("SET a 1\r\n", "+OK\r\n");
    block_on(server.shutdown());
    wire.expect_closed();
}

#[test]
fn what_a_client_has_sent_ahead_does_not_put_off_the_end() {
    let scene = Scene::new();
    let (mut wire, mut other) = (scene.connect(), scene.connect());
    let count = 2_000_000;
    // Kept by the endpoint until the client has waited.
    wire.send("BLPOP a 0\r\n");
    wire.send("INCR n\r\n".repeat(count));
    other.ask("RPUSH a 1\r\n", ":1\r\n");
    loop {
        other.send("EXISTS n\r\n");
        if other.line() == ":1" {
            break;
        }
    }
    let Scene { engine, server } = scene;
    block_on(server.shutdown());
    let mut connection = engine.connect();
    let done: usize = block_on(redis::cmd("GET").arg("n").query_async(&mut connection)).unwrap();
    // Some had not even been read.
    assert!(done < count / 2, "{done} of {count} ran before the end");
}
