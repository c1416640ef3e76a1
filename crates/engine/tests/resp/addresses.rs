//! Where an endpoint listens, and where it refuses to.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

use oxherd_engine::{Engine, ErrorKind, Options};

use crate::scene::{Scene, Wire, loopback};

#[test]
fn both_kinds_of_address_lead_to_one_engine() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("engine.sock");
    let engine = Engine::in_memory();
    let _server = engine
        .endpoint()
        .listen_on(loopback())
        .listen_on(path.clone())
        .spawn_thread()
        .unwrap();
    let mut wire = Wire::unix(&path);
    wire.ask("SET a 1\r\n", "+OK\r\n");
    let other = Scene {
        server: engine.endpoint().listen_on(loopback()).spawn_thread().unwrap(),
        engine,
    };
    other.connect().ask("GET a\r\n", "$1\r\n1\r\n");
}

#[test]
fn a_socket_file_is_private() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("engine.sock");
    let _server = Engine::in_memory()
        .endpoint()
        .listen_on(path.clone())
        .spawn_thread()
        .unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    // Nothing else is left in the folder.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn the_socket_file_of_a_dead_process_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("engine.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let _server = Engine::in_memory()
        .endpoint()
        .listen_on(path.clone())
        .spawn_thread()
        .unwrap();
    Wire::unix(&path).ask("SET a 1\r\n", "+OK\r\n");
}

#[test]
fn the_socket_file_of_a_living_process_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("engine.sock");
    let _server = Engine::in_memory()
        .endpoint()
        .listen_on(path.clone())
        .spawn_thread()
        .unwrap();
    let error = Engine::in_memory()
        .endpoint()
        .listen_on(path.clone())
        .spawn_thread()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddressInUse);
    let expected = format!(
        "cannot listen on {}: another process listens there",
        path.display()
    );
    assert_eq!(error.to_string(), expected);
    Wire::unix(&path).ask("SET a 1\r\n", "+OK\r\n");
}

#[test]
fn another_file_is_never_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    fs::write(&path, "kept").unwrap();
    let error = Engine::in_memory()
        .endpoint()
        .listen_on(path.clone())
        .spawn_thread()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddressInUse);
    assert_eq!(fs::read_to_string(&path).unwrap(), "kept");
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none/engine.sock");
    let error = Engine::in_memory()
        .endpoint()
        .listen_on(path.clone())
        .spawn_thread()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Listen);
    assert!(
        error
            .to_string()
            .starts_with(&format!("cannot listen on {}: ", path.display())),
        "{error}"
    );
}

#[test]
fn a_taken_port_is_refused() {
    let scene = Scene::new();
    let error = scene
        .engine
        .endpoint()
        .listen_on(scene.address())
        .spawn_thread()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddressInUse);
}

#[test]
fn an_open_address_needs_a_password() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let address: SocketAddr = address.parse().unwrap();
        let error = Engine::in_memory()
            .endpoint()
            .listen_on(address)
            .spawn_thread()
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PasswordRequired);
        let expected = format!(
            "cannot listen on {address}: other machines can reach it, so the engine needs a password"
        );
        assert_eq!(error.to_string(), expected);
    }
    let open: SocketAddr = "0.0.0.0:0".parse().unwrap();
    let engine = Options::default().password("secret").start();
    engine.endpoint().listen_on(open).spawn_thread().unwrap();
}

#[test]
fn the_runtime_of_the_caller_serves_as_well() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let engine = Engine::in_memory();
    assert_eq!(
        engine
            .endpoint()
            .listen_on(loopback())
            .spawn()
            .unwrap_err()
            .kind(),
        ErrorKind::Listen
    );
    let server = runtime
        .block_on(async { engine.endpoint().listen_on(loopback()).spawn() })
        .unwrap();
    let scene = Scene { engine, server };
    scene.connect().ask("SET a 1\r\n", "+OK\r\n");
    runtime.block_on(scene.server.shutdown());
}

#[test]
fn a_living_process_that_accepts_nobody_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("engine.sock");
    let address = socket2::SockAddr::unix(&path).unwrap();
    let socket = || socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    let stopped = socket();
    stopped.bind(&address).unwrap();
    stopped.listen(0).unwrap();
    let mut waiting = Vec::new();
    loop {
        let client = socket();
        client.set_nonblocking(true).unwrap();
        let connected = client.connect(&address);
        waiting.push(client);
        if connected.is_err() {
            break;
        }
    }
    let (done, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let started = Engine::in_memory().endpoint().listen_on(path).spawn_thread();
        done.send(started.map(|_| ()).unwrap_err().kind()).unwrap();
    });
    let kind = ended.recv_timeout(std::time::Duration::from_secs(20));
    assert_eq!(kind, Ok(ErrorKind::AddressInUse));
}

#[test]
fn a_path_that_no_client_could_name_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long".repeat(40));
    let error = Engine::in_memory()
        .endpoint()
        .listen_on(path)
        .spawn_thread()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Listen);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
