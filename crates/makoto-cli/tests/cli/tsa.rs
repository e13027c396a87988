//! A timestamp authority on loopback: HTTP here, every token by `openssl ts -reply`.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::openssl::{AUTHORITY, LONG, SIGNER, TSA, Workshop, document};

/// How an authority answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Honest,
    /// The first answer that it ever gave, whatever is asked.
    Replay,
    /// A token over another hash.
    OtherImprint,
    /// PKIStatus 2.
    Rejection,
    Endless,
    Silence,
    Close,
    /// Half of what it says that it sends.
    CutOff,
    Redirect,
    Html,
    ServerError,
    /// One byte of a good token is changed.
    Changed,
}

/// Authorities in a folder of their own: `ca` issued `signer` and `tsa`, `other-ca` is unknown.
pub(crate) struct Authorities {
    pub(crate) workshop: Workshop,
    asked: AtomicUsize,
    first: Mutex<Option<Vec<u8>>>,
    turn: Mutex<()>,
}

impl Authorities {
    pub(crate) fn new() -> Arc<Self> {
        let workshop = Workshop::new();
        workshop.issue("ca", "P-256", "ca", AUTHORITY, LONG);
        workshop.issue("tsa", "P-256", "ca", TSA, LONG);
        workshop.issue("other-ca", "P-256", "other-ca", AUTHORITY, LONG);
        workshop.issue("signer", "P-256", "ca", SIGNER, LONG);
        Arc::new(Self {
            workshop,
            asked: AtomicUsize::new(0),
            first: Mutex::new(None),
            turn: Mutex::new(()),
        })
    }

    /// The trusted root with this authority for certificates and timestamps.
    pub(crate) fn root(&self, ca: &str) -> String {
        let one = || [self.workshop.authority(ca, &[ca])].into_iter().collect();
        document(one(), one()).to_string()
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Listens for as long as the test runs. Returns the address.
    pub(crate) fn serve(self: &Arc<Self>, answer: Answer) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let authorities = Arc::clone(self);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let authorities = Arc::clone(&authorities);
                thread::spawn(move || authorities.answer(stream, answer));
            }
        });
        format!("http://{address}/tsa")
    }

    fn answer(&self, mut stream: TcpStream, answer: Answer) {
        let Some(query) = query(&mut stream) else {
            return;
        };
        self.asked.fetch_add(1, Ordering::SeqCst);
        let reply = "application/timestamp-reply";
        let body = match answer {
            Answer::Silence => return thread::sleep(Duration::from_secs(60)),
            Answer::Close => return,
            Answer::Redirect => {
                let head = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
                let _ = stream.write_all(head.as_bytes());
                return;
            }
            Answer::ServerError => return send(&mut stream, "503 Down", reply, b""),
            Answer::Html => return send(&mut stream, "200 OK", "text/html", b"<h1>log in</h1>"),
            Answer::Endless => vec![b'0'; 10 << 20],
            Answer::Rejection => REJECTION.to_vec(),
            Answer::Honest | Answer::CutOff => self.reply(&query),
            Answer::Replay => {
                let new = self.reply(&query);
                let mut first = self.first.lock().expect("no thread panics");
                first.get_or_insert(new).clone()
            }
            Answer::OtherImprint => {
                let mut query = query;
                let hash = [0x04, 0x20];
                let at = query.windows(2).position(|two| two == hash);
                query[at.expect("a hash of 32 bytes") + 2] ^= 1;
                self.reply(&query)
            }
            Answer::Changed => {
                let mut reply = self.reply(&query);
                let last = reply.len() - 5;
                reply[last] ^= 1;
                reply
            }
        };
        if answer == Answer::CutOff {
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: {reply}\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(head.as_bytes());
            let _ = stream.write_all(&body[..body.len() / 2]);
            return;
        }
        send(&mut stream, "200 OK", reply, &body);
    }

    fn reply(&self, query: &[u8]) -> Vec<u8> {
        // The folder has one file for a query.
        let _turn = self.turn.lock().expect("no thread panics");
        self.workshop.reply(query, "tsa", "t")
    }
}

/// `PKIStatusInfo` with status 2 and the text "no": a TimeStampResp without a token.
const REJECTION: [u8; 11] = [
    0x30, 0x09, 0x30, 0x07, 0x02, 0x01, 0x02, 0x30, 0x02, 0x0c, 0x00,
];

fn send(stream: &mut TcpStream, status: &str, media_type: &str, body: &[u8]) {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    // Whoever has had enough closes the connection.
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(body);
}

/// The body of a request to post.
fn query(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    loop {
        let read = stream.read(&mut part).ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&part[..read]);
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
        assert!(head.contains("content-type: application/timestamp-query"));
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))?;
        let length: usize = length.trim().parse().ok()?;
        if bytes.len() >= end + 4 + length {
            return Some(bytes[end + 4..end + 4 + length].to_vec());
        }
    }
}
