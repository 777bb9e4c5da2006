use std::net::{Ipv4Addr, SocketAddrV4};
use std::process::exit;
use std::time::Duration;

use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::unconstrained;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 4096;
/// How long accepting pauses where there are no descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections on 127.0.0.1 and runs `connection` for each, all in one thread, until the process is ended.
pub fn serve<F, C>(port: u16, connection: F) -> !
where
    F: Fn(TcpStream) -> C,
    C: Future<Output = ()> + Send + 'static,
{
    raise_descriptor_limit();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap_or_else(|error| {
            eprintln!("no runtime: {error}");
            exit(1)
        });
    runtime.block_on(async {
        let listener = listen(port).unwrap_or_else(|error| {
            eprintln!("cannot listen on 127.0.0.1:{port}: {error}");
            exit(1)
        });
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    // Refused where the client has gone already, which the handshake will find out.
                    let _ = stream.set_nodelay(true);
                    // Tokio's budget would make busy connections yield to the loop and come back.
                    tokio::spawn(unconstrained(connection(stream)));
                }
                Err(error) => {
                    eprintln!("cannot accept: {error}");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    })
}

fn listen(port: u16) -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port).into())?;
    socket.listen(BACKLOG)
}

fn raise_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        eprintln!("cannot raise the limit of descriptors: {error}");
    }
}
