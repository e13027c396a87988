//! A front before the server of Google's protocol, which answers what the binary asks for and
//! the server only knows by its other interface.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;

use crate::document::text;

/// Starts a front before the server of Google's protocol. A request to write is handed on to the
/// other interface, with its condition; every other request as it is.
pub(crate) fn front(server: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for client in listener.incoming() {
            let Ok(client) = client else { return };
            thread::spawn(move || hand_on(client, server));
        }
    });
    port
}

/// One request, and its answer; then the connection ends.
fn hand_on(client: TcpStream, server: u16) -> Option<()> {
    let mut reader = BufReader::new(client.try_clone().ok()?);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let (mut length, mut generation, mut head) = (0, None, String::new());
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let (name, value) = line.split_once(':').unwrap_or(("", ""));
        match name.to_ascii_lowercase().as_str() {
            "" => break,
            "connection" => {}
            "x-goog-if-generation-match" => generation = Some(value.trim().to_owned()),
            name => {
                if name == "content-length" {
                    length = value.trim().parse().ok()?;
                }
                head += &line;
            }
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let put = first.strip_prefix("PUT /bucket/");
    let key = put.and_then(|put| Some(put.split(' ').next()?.to_owned()));
    let is_write = key.is_some();
    if let Some(key) = key {
        let key = key.replace("%2E", ".");
        let condition = generation.map(|one| format!("&ifGenerationMatch={one}"));
        first = format!(
            "POST /upload/storage/v1/b/bucket/o?uploadType=multipart{} HTTP/1.1\r\n",
            condition.unwrap_or_default()
        );
        let begin = format!(
            "--part\r\ncontent-type: application/json\r\n\r\n{{\"name\":\"{key}\"}}\r\n\
             --part\r\ncontent-type: application/octet-stream\r\n\r\n"
        );
        body = [begin.as_bytes(), &body, b"\r\n--part--\r\n"].concat();
        head = format!(
            "host: 127.0.0.1\r\ncontent-type: multipart/related; boundary=part\r\n\
             content-length: {}\r\n",
            body.len()
        );
    }
    let mut to = TcpStream::connect(("127.0.0.1", server)).ok()?;
    write!(to, "{first}{head}Connection: close\r\n\r\n").ok()?;
    to.write_all(&body).ok()?;
    let mut answer = Vec::new();
    to.read_to_end(&mut answer).ok()?;
    let mut client = client;
    if is_write && answer.starts_with(b"HTTP/1.1 200") {
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let made = crate::sandbox::parse(&answer[end..]);
        write!(
            client,
            "HTTP/1.1 200 OK\r\netag: \"{}\"\r\nx-goog-generation: {}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            text(&made, "etag"),
            text(&made, "generation")
        )
        .ok()?;
        return Some(());
    }
    client.write_all(&answer).ok()
}
