//! Every public test vector, decoded.

use serde_json::Value;

use crate::{
    cli::Ended,
    decode::{decode, envelope},
};

fn text<'v>(vector: &'v Value, name: &str) -> Option<&'v str> {
    vector[name].as_str()
}

fn query_of(vector: &Value) -> String {
    let names = [
        ("signature", text(vector, "signature").or(text(vector, "signature_plain"))),
        ("timestamp", text(vector, "timestamp")),
        ("nonce", text(vector, "nonce")),
        ("encrypt_type", text(vector, "encrypt_type")),
        ("msg_signature", text(vector, "msg_signature")),
    ];
    let given = names.iter().filter_map(|(name, value)| Some(format!("{name}={}", (*value)?)));
    given.collect::<Vec<_>>().join("&")
}

/// What a vector is decoded to, or `None` if it holds nothing that is received.
fn decode_vector(vector: &Value) -> Option<(Ended, &str)> {
    let kind = text(vector, "kind")?;
    let token = text(vector, "token")?;
    let mut further = vec!["--token", token];
    if let Some(key) = text(vector, "encoding_aes_key") {
        further.extend(["--aes-key", key]);
    }
    if let Some(app_id) = text(vector, "receive_id_expected") {
        further.extend(["--app-id", app_id]);
    }
    let query = query_of(vector);
    match kind {
        "url_verify_plain" => {
            let echostr = text(vector, "echostr")?;
            Some((decode(&format!("?{query}&echostr={echostr}"), None, &further), echostr))
        }
        "url_verify_encrypted" => {
            let query = text(vector, "query_string").map_or_else(
                || format!("{query}&echostr={}", text(vector, "encrypt").unwrap()),
                str::to_owned,
            );
            Some((decode(&query, None, &further), text(vector, "plaintext")?))
        }
        "plain_push" => Some((decode(&query, text(vector, "body"), &further), text(vector, "body")?)),
        "signature_only" => None,
        "encrypt_deterministic" => {
            let signed = &vector["msg_signature_computed"];
            let query = signed.is_object().then(|| {
                let of = |name: &str| signed[name].as_str().unwrap();
                format!("timestamp={}&nonce={}&msg_signature={}", of("timestamp"), of("nonce"), of("value"))
            });
            let reply = text(vector, "expected_reply").or(text(vector, "expected_reply_xml"));
            let body = reply.map_or_else(|| envelope(text(vector, "encrypt").unwrap()), str::to_owned);
            Some((
                decode(&query.unwrap_or(query_of(vector)), Some(&body), &further),
                text(vector, "plaintext")?,
            ))
        }
        _ => Some((decode(&query, text(vector, "body"), &further), text(vector, "plaintext")?)),
    }
}

#[test]
fn every_vector_decodes_to_its_document() {
    let vectors: Value = serde_json::from_str(include_str!("../../../wechat/tests/vectors.json")).unwrap();
    let mut decoded = 0;
    for vector in vectors["vectors"].as_array().unwrap() {
        let Some((ended, expected)) = decode_vector(vector) else { continue };
        let answer = ended.json();
        assert_eq!((ended.code, &answer["ok"]), (0, &Value::Bool(true)), "{}: {answer}", vector["id"]);
        assert_eq!(answer["document"], expected, "{}", vector["id"]);
        assert!(answer["age_seconds"].as_i64().unwrap() > 0);
        if let Some(id) = text(vector, "receive_id_in_ciphertext") {
            assert_eq!(answer["receive_id"], id);
        }
        decoded += 1;
    }
    assert_eq!(decoded, 14, "all but the one that is nothing but a signature");
}
