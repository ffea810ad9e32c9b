//! The API door: Jaeger's query API, Belvedere's own, accounts that add up, and who is let in.

use crate::support::{Serve, get, hex_id, json_request, post, request};
use serde_json::{Value, json};

#[test]
fn jaegers_api_finds_what_otlp_brought() {
    let serve = Serve::start();
    for trace in 1..=3 {
        assert_eq!(serve.send("cart", trace, 4).status, 200);
    }
    serve.send("other service", 4, 1);
    let ask = |path: &str| -> Value { get(serve.door("api"), path).unwrap().json() };
    let services = json!({"data": ["cart", "other service"], "total": 2, "limit": 0, "offset": 0, "errors": null});
    assert_eq!(ask("/api/services"), services);
    assert_eq!(ask("/api/v3/services"), json!({"services": ["cart", "other service"]}));
    let operations = ask("/api/services/other%20service/operations");
    assert_eq!(operations["total"], json!(1));
    let found = ask("/api/traces?service=cart&limit=2");
    assert_eq!(found["data"].as_array().unwrap().len(), 2);
    assert_eq!(found["data"][0]["spans"].as_array().unwrap().len(), 4);
    let by_id = ask(&format!("/api/traces/{}", hex_id(2)));
    assert_eq!(by_id["data"][0]["spans"].as_array().unwrap().len(), 4);
    let result = ask(&format!("/api/v3/traces/{}", hex_id(2)));
    assert!(result["result"]["resourceSpans"].is_array(), "{result}");
}

#[test]
fn jaegers_api_says_what_is_wrong_in_its_own_shape() {
    let serve = Serve::start();
    let absent = get(serve.door("api"), "/api/traces/ff").unwrap();
    let expected =
        json!({"data": null, "total": 0, "limit": 0, "offset": 0, "errors": [{"code": 404, "msg": "trace not found"}]});
    assert_eq!((absent.status, absent.json()), (404, expected));
    let unnamed = get(serve.door("api"), "/api/traces?limit=1").unwrap();
    assert_eq!(unnamed.status, 400);
    assert_eq!(unnamed.json()["errors"][0]["msg"], json!("parameter 'service' is required"));
    let v3 = get(serve.door("api"), "/api/v3/traces/ff").unwrap();
    assert_eq!((v3.status, &v3.json()["error"]["httpCode"]), (404, &json!(404)));
}

#[test]
fn accounts_add_up_and_count_a_resent_batch_once() {
    let serve = Serve::start();
    let body = json_request("twice", 5, 6);
    for _ in 0..2 {
        assert_eq!(post(serve.door("otlp-http"), "/v1/traces", "application/json", &body).unwrap().status, 200);
    }
    post(serve.door("otlp-http"), "/v1/traces", "application/json", b"{").unwrap();
    assert_eq!(serve.spans_of(5).len(), 6);
    let accounts = get(serve.door("api"), "/belvedere/v1/accounts").unwrap().json();
    let rows = accounts["accounts"].as_array().unwrap();
    let row = rows.iter().find(|row| row["service"] == "twice").unwrap();
    assert_eq!((&row["received"], &row["stored"], &row["duplicate"]), (&json!(12), &json!(6), &json!(6)), "{row}");
    for row in rows {
        let sum: u64 =
            ["stored", "duplicate", "rejected", "evicted", "sampled_out"].iter().map(|name| row[name].as_u64().unwrap()).sum();
        assert_eq!(row["received"], json!(sum), "{row}");
    }
    let metrics = get(serve.door("api"), "/metrics").unwrap().text();
    let line = "belvedere_items_duplicate_total{door=\"otlp-http\",service=\"twice\",signal=\"traces\"} 6";
    assert!(metrics.contains(line), "{metrics}");
}

#[test]
fn an_upload_is_imported_and_a_broken_one_names_the_place() {
    let serve = Serve::start();
    let api = serve.door("api");
    let imported = post(api, "/belvedere/v1/import?name=a.json", "application/json", &json_request("up", 8, 3)).unwrap();
    assert_eq!((imported.status, &imported.json()["spans"]), (200, &json!(3)));
    assert_eq!(serve.spans_of(8).len(), 3);
    let broken = post(api, "/belvedere/v1/import?name=b.json", "application/json", b"{\n\"resourceSpans\": [1,,]}").unwrap();
    assert_eq!(broken.status, 422, "{}", broken.text());
    assert!(broken.json()["error"].as_str().unwrap().contains("line 2"), "{}", broken.text());
}

#[test]
fn only_this_machine_and_its_pages_are_let_in() {
    let serve = Serve::start();
    let ask = |headers: &[(&str, &str)]| request(serve.door("api"), "GET", "/api/services", headers, b"").unwrap();
    assert_eq!(ask(&[]).status, 200);
    let page = ask(&[("origin", "http://localhost:3000")]);
    assert_eq!((page.status, page.header("access-control-allow-origin")), (200, Some("http://localhost:3000")));
    assert_eq!(ask(&[("origin", "https://evil.example")]).status, 403);
    assert_eq!(ask(&[("origin", "null")]).status, 403);
}

#[test]
fn health_and_status_answer() {
    let serve = Serve::start();
    let api = serve.door("api");
    assert_eq!(get(api, "/-/healthy").unwrap().status, 200);
    assert_eq!(get(api, "/-/ready").unwrap().status, 200);
    let status = get(api, "/belvedere/v1/status").unwrap().json();
    assert_eq!(status["pid"], json!(serve.pid()));
    let doors = get(api, "/belvedere/v1/doors").unwrap().json();
    let open: Vec<&str> = doors["doors"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|door| door["state"] == "open")
        .map(|door| door["door"].as_str().unwrap())
        .collect();
    assert_eq!(open, ["otlp-grpc", "otlp-http", "api"]);
    assert_eq!(get(api, "/nothing/here").unwrap().status, 404);
    assert_eq!(post(api, "/belvedere/v1/status", "text/plain", b"").unwrap().status, 405);
}

#[test]
fn the_window_is_not_shown_where_there_is_no_display() {
    let serve = Serve::start();
    let answer = post(serve.door("api"), "/belvedere/v1/show-window", "application/json", b"{\"files\": []}").unwrap().json();
    assert_eq!(answer["shown"], json!(false));
    assert!(answer["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{answer}");
}
