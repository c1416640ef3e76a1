//! Where an endpoint listens, and the binding of it.
//!
//! A Unix socket is made under another name, made private (mode 0600) before it listens, and then moved to its place, so
//! nobody else can ever connect to it. The socket file of a dead process is replaced, that of a living one is left alone.
//! Next: `endpoint.rs`.

use std::fmt;
use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};

use crate::error::{Error, ErrorKind};

/// Clients of a Unix socket that may wait until they are accepted, as for TCP.
const BACKLOG: i32 = 128;

/// Where an endpoint listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// A TCP address; port 0 lets the system choose one.
    Tcp(SocketAddr),
    /// A Unix socket, open to this user alone.
    Unix(PathBuf),
}

impl Address {
    /// Whether only this machine can reach it.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(formatter, "{address}"),
            Self::Unix(path) => write!(formatter, "{}", path.display()),
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl From<PathBuf> for Address {
    fn from(path: PathBuf) -> Self {
        Self::Unix(path)
    }
}

/// A bound socket that nobody has accepted from yet.
#[derive(Debug)]
pub(super) enum Bound {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

/// The file of a Unix socket; dropping it removes the file, unless another has taken its place.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_ours = identity(&self.path).is_ok_and(|identity| identity == self.identity);
        if is_ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the socket file");
        }
    }
}

/// Binds `address` without blocking mode, and says where it ended up.
pub(super) fn bind(address: &Address) -> Result<(Bound, Address), Error> {
    match address {
        Address::Tcp(socket_address) => {
            let bound = bind_tcp(*socket_address).map_err(|error| cannot_listen(address, error))?;
            let actual = bound
                .local_addr()
                .map_err(|error| cannot_listen(address, error))?;
            Ok((Bound::Tcp(bound), Address::Tcp(actual)))
        }
        Address::Unix(path) => Ok((bind_unix(path, address)?, address.clone())),
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn bind_unix(path: &Path, address: &Address) -> Result<Bound, Error> {
    refuse_living(path, address)?;
    let make = || {
        // A socket can be moved to a name that is too long for clients.
        SockAddr::unix(path)?;
        let draft = Draft(draft_name(path));
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(&SockAddr::unix(&draft.0)?)?;
        fs::set_permissions(&draft.0, fs::Permissions::from_mode(0o600))?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        let listener = UnixListener::from(OwnedFd::from(socket));
        let identity = identity(&draft.0)?;
        fs::rename(&draft.0, path)?;
        let file = SocketFile {
            path: path.to_owned(),
            identity,
        };
        Ok(Bound::Unix(listener, file))
    };
    make().map_err(|error| cannot_listen(address, error))
}

/// A socket file on its way to its place; removed if it does not get there.
struct Draft(PathBuf);

impl Drop for Draft {
    fn drop(&mut self) {
        // After the move there is nothing of that name.
        let _ = fs::remove_file(&self.0);
    }
}

/// A name beside `path`, no longer than a short file name: the paths of sockets have about a hundred bytes.
fn draft_name(path: &Path) -> PathBuf {
    let random: String = std::iter::repeat_with(fastrand::alphanumeric).take(7).collect();
    path.with_file_name(format!(".{random}"))
}

/// Whatever stands at `path` may be replaced only if it is a socket that nobody listens on.
fn refuse_living(path: &Path, address: &Address) -> Result<(), Error> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found.map_err(|error| cannot_listen(address, error))?,
    };
    if !metadata.file_type().is_socket() {
        let message = format!("cannot listen on {address}: a file that is no socket is in the way");
        return Err(Error::new(ErrorKind::AddressInUse, message));
    }
    match knock(path) {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound
            ) =>
        {
            Ok(())
        }
        // A queue that is full belongs to somebody who lives.
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(cannot_listen(address, error)),
        _ => {
            let message = format!("cannot listen on {address}: another process listens there");
            Err(Error::new(ErrorKind::AddressInUse, message))
        }
    }
}

/// Connects if that needs no waiting: the queue of a process that stands still may be full.
fn knock(path: &Path) -> io::Result<()> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

fn cannot_listen(address: &Address, source: io::Error) -> Error {
    let kind = match source.kind() {
        io::ErrorKind::AddrInUse => ErrorKind::AddressInUse,
        _ => ErrorKind::Listen,
    };
    Error::with_source(kind, format!("cannot listen on {address}: {source}"), source)
}
