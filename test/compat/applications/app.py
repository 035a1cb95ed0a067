"""Notes in PostgreSQL, a count of visits in Redis; each by one connection that is made once."""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock

import psycopg2
import redis

database = psycopg2.connect(os.environ["DATABASE"])
database.autocommit = True
cache = redis.Redis(host="cache", single_connection_client=True)
one_at_a_time = Lock()

with database.cursor() as cursor:
    cursor.execute("CREATE TABLE IF NOT EXISTS notes (id serial PRIMARY KEY, text text NOT NULL)")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        with one_at_a_time, database.cursor() as cursor:
            cursor.execute("SELECT text FROM notes ORDER BY id")
            notes = [text for (text,) in cursor.fetchall()]
            cursor.execute("SELECT pg_backend_pid()")
            connections = [cursor.fetchone()[0], cache.client_id(), self.headers["X-Connection"]]
            visits = cache.incr("visits")
        self.answer({"notes": notes, "visits": visits, "connections": connections,
                     "visitor": self.headers["X-Real-IP"]})

    def do_POST(self):
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        with one_at_a_time, database.cursor() as cursor:
            cursor.execute("INSERT INTO notes (text) VALUES (%s)", (text,))
        self.answer({"written": text})

    def answer(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


ThreadingHTTPServer(("0.0.0.0", 8000), Handler).serve_forever()
