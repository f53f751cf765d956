#!/usr/bin/env bash
# A model behind TLS: a proxy of the test's own (nginx, with certificates of a CA made for the test) stands before the
# stand-in model, and its log says what came how. With the CA trusted, requests go over HTTP/2 on few connections, or
# over HTTP/1.1 where the proxy has no more; with a certificate that is not to be trusted nothing is sent at all.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/ai_lib.bash"

PATH=$PATH:/usr/sbin
TLS=$WORK/tls SEEN=$WORK/tls/seen
PROXY=''         # its process id
declare -A PORTS # by what is wrong with that address
KINDS=(h2 h1 name expired old)
mkdir "$TLS"
KEY=sk-e2e-8Gq2rT6vYb1nJd5s
(umask 077 && printf '%s\n' "$KEY" >"$WORK/key")

# ---- certificates ----

ca_make() { # ca_make NAME
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$1" \
    -keyout "$TLS/$1.key" -out "$TLS/$1.pem" 2>"$TLS/openssl.log"
}
certificate_make() { # certificate_make NAME SUBJECT-ALT-NAMES DAYS: signed by `ca`
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=model" \
    -keyout "$TLS/$1.key" -out "$TLS/$1.csr" 2>"$TLS/openssl.log"
  openssl x509 -req -in "$TLS/$1.csr" -CA "$TLS/ca.pem" -CAkey "$TLS/ca.key" -days "$3" \
    -extfile <(printf 'subjectAltName=%s\n' "$2") -out "$TLS/$1.pem" 2>"$TLS/openssl.log"
}
ca_make ca
ca_make stranger
certificate_make good DNS:localhost,IP:127.0.0.1 2
certificate_make name DNS:model.example.test 2
certificate_make expired DNS:localhost,IP:127.0.0.1 -1

# ---- the proxy ----

ports_choose() {
  local found
  mapfile -t found < <(python3 -c '
import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(5)]
for s in sockets: print(s.getsockname()[1])')
  for i in "${!KINDS[@]}"; do PORTS[${KINDS[i]}]=${found[i]}; done
}
address() { # address KIND CERTIFICATE [http2 [DIRECTIVES]]
  printf '  server {\n    listen 127.0.0.1:%s ssl %s;\n' "${PORTS[$1]}" "${3:-}"
  printf '    ssl_certificate %s/%s.pem;\n    ssl_certificate_key %s/%s.key;\n    %s\n' "$TLS" "$2" "$TLS" "$2" "${4:-}"
  printf '    location = /up { access_log off; return 204; }\n'
  printf '    location / { proxy_pass %s; proxy_http_version 1.1; proxy_set_header Connection ""; }\n  }\n' "$MODEL"
}
config_write() {
  cat <<CONFIG
user $(id -un) $(id -gn);
worker_processes 1;
daemon off;
pid $TLS/pid;
error_log $TLS/error.log info;
events { worker_connections 512; }
http {
  log_format seen '{"port":\$server_port,"worker":\$pid,"connection":\$connection,"protocol":"\$server_protocol",'
                  '"tls":"\$ssl_protocol","status":\$status}';
  access_log $SEEN seen;
  client_max_body_size 4m;
  client_body_buffer_size 4m;
  proxy_max_temp_file_size 0;
  client_body_temp_path $TLS/t1; proxy_temp_path $TLS/t2; fastcgi_temp_path $TLS/t3;
  uwsgi_temp_path $TLS/t4; scgi_temp_path $TLS/t5;
$(address h2 good http2 'ssl_protocols TLSv1.2 TLSv1.3;')
$(address h1 good '' 'ssl_protocols TLSv1.2;')
$(address name name http2)
$(address expired expired http2)
$(address old good '' 'ssl_protocols TLSv1.1; ssl_ciphers DEFAULT@SECLEVEL=0;')
}
CONFIG
}
proxy_listens() { curl -fs -o "$TLS/answer" --cacert "$TLS/ca.pem" "https://127.0.0.1:${PORTS[h2]}/up"; }
proxy_is_up_or_gone() { ! kill -0 "$PROXY" 2>/dev/null || proxy_listens; }
# Another process may take a port between its choice and its use: then with others.
proxy_start() {
  local try
  for try in 1 2 3; do
    ports_choose
    config_write >"$TLS/nginx.conf"
    nginx -e "$TLS/error.log" -p "$TLS" -c "$TLS/nginx.conf" >"$TLS/nginx.$try" 2>&1 </dev/null &
    PROXY=$!
    wait_for proxy_is_up_or_gone
    if kill -0 "$PROXY" 2>/dev/null; then return 0; fi
  done
  say "the proxy did not start:"
  cat "$TLS/nginx.$try" "$TLS/error.log" >&2
  return 1
}
proxy_stop() { # its workers end with it, unless it is killed
  if [ -n "$PROXY" ] && kill -TERM "$PROXY" 2>/dev/null; then wait "$PROXY" || true; fi
}
trap 'proxy_stop; cleanup' EXIT

# seen KIND: the requests that came to this address, each as soon as its answer has gone
seen() { jq -c --argjson port "${PORTS[$1]}" 'select(.port == $port)' "$SEEN"; }
seen_are() { [ "$(seen "$1" | wc -l)" -eq "$2" ]; } # seen_are KIND COUNT
forget() {
  model_forget
  : >"$SEEN"
}

# ---- servers: each asks at one address ----

SERVERS=$WORK/servers
mkdir "$SERVERS"
# shellcheck source=/dev/null
use() { . "$SERVERS/$1"; }
begin() { # begin NAME ADDRESS [FLAG...]: never within a check, whose processes nobody would end
  local name=$1 address=$2
  shift 2
  DATA=$WORK/data.$name
  server_start --ai-url "https://$address/v1" --ai-model stand-in --ai-key-file "$WORK/key" --log-level debug "$@"
  printf 'PID=%s URL=%s LOG=%s DATA=%s\n' "$PID" "$URL" "$LOG" "$DATA" >"$SERVERS/$name"
}
post_six() { six_threats "$1" "${2:-1}" | post_events - >/dev/null; }
post_one() { six_threats "$1" "${2:-1}" | jq -c 'select(."process.executable")' | post_events - >/dev/null; }

model_start --key "$KEY"
proxy_start

# The one by name, the others by address. What does not work waits for its next attempt meanwhile.
cp "$TLS/stranger.pem" "$TLS/changes.pem"
begin system "127.0.0.1:${PORTS[h2]}"
begin stranger "127.0.0.1:${PORTS[h2]}" --ai-ca-file "$TLS/changes.pem" --ai-concurrency 4
begin name "127.0.0.1:${PORTS[name]}" --ai-ca-file "$TLS/ca.pem"
begin expired "127.0.0.1:${PORTS[expired]}" --ai-ca-file "$TLS/ca.pem"
begin old "127.0.0.1:${PORTS[old]}" --ai-ca-file "$TLS/ca.pem"
UNTRUSTED=(system stranger name expired old)
declare -A WHY=([system]='signed by no CA that is trusted here' [stranger]='signed by no CA that is trusted here'
  [name]='for another name' [expired]='has expired' [old]='version 1.2 or later')
for name in "${UNTRUSTED[@]}"; do
  use "$name"
  post_one "$name"
done

# ---- nothing is sent to who cannot be trusted ----

nothing_was_sent() {
  expect "requests at the proxy" "$(wc -l <"$SEEN")" 0
  expect "requests at the model" "$(model_count)" 0
}
says_why() { # says_why NAME: while the job waits, findings stand, and log and API tell a person
  use "$1"
  wait_for threats_are "$1" 1 "$HAS_FINDINGS"
  wait_for queue_is '.last_error != null'
  get /api/ai/usage | jq -r .queue.last_error | grep -F "${WHY[$1]}"
  log_of ai.failed | jq -r .error | grep -F "${WHY[$1]}"
  expect "by whom" "$(threats_of "$1" | jq -r '.[0].analysis.provider')" rules
  nothing_was_sent
}
for name in "${UNTRUSTED[@]}"; do
  check "e2e: a model whose server cannot be trusted ($name) gets nothing, and log and API say why" says_why "$name"
done

# The fifth attempt ends a job, half a minute after the first: here the first was the fourth.
attempts_pass() {
  server_stop
  python3 - "$DATA/lunette.db" <<'PYTHON'
import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as db:
    assert db.execute("UPDATE jobs SET attempts = 4, not_before = 0").rowcount == 1
PYTHON
}
gave_up() { # gave_up NAME
  use "$1"
  wait_for threats_are "$1" 1 '.requires_human_review and .analysis.model_status == "failed"'
  threats_of "$1" >"$WORK/$1.json"
  jq -r '.[0].analysis.model_error' "$WORK/$1.json" | grep -F "${WHY[$1]}"
  expect "by whom" "$(jq -r '.[0].analysis.provider' "$WORK/$1.json")" rules
  expect "by whom, each" "$(jq -c '[.[0].agent_analyses[].provider] | unique' "$WORK/$1.json")" '["rules"]'
  expect "severity" "$(jq -r '.[0].severity' "$WORK/$1.json")" "$(jq -r '.[0].severity_floor' "$WORK/$1.json")"
  get /metrics | grep -x 'lunette_analysis_total{outcome="failed"} 1'
  nothing_was_sent
}
use expired
attempts_pass
begin expired "127.0.0.1:${PORTS[expired]}" --ai-ca-file "$TLS/ca.pem"
check "e2e: after the last attempt the threat keeps its findings and says that the certificate has expired" \
  gave_up expired

cp "$TLS/ca.pem" "$TLS/changes.pem"
a_new_ca_counts() {
  use stranger
  wait_for threats_are stranger 1 "$MODEL_ANSWERED"
  wait_for seen_are h2 6
  expect "last error" "$(get /api/ai/usage | jq -c .queue.last_error)" null
  expect "attempts, but the last" "$(get /api/ai/usage | jq '.queue.failed == .queue.retried and .queue.failed >= 1')" true
}
check "e2e: a CA file that is mended counts at the next attempt, without a restart" a_new_ca_counts

the_key_stays() {
  cat "$WORK"/server.*.log >"$WORK/said"
  for name in "${UNTRUSTED[@]}"; do
    use "$name"
    { get /metrics && get /api/threats && get /api/ai/usage && get /ready && get /api/audit; } >>"$WORK/said"
  done
  grep -c 'ai.failed' "$WORK/said"
  ! grep -F "${KEY:3:12}" "$WORK/said"
}
check "e2e: the key is in no log, metric or answer" the_key_stays
for name in system name expired old; do
  use "$name"
  server_stop
done

# ---- HTTP/2: the server whose CA file was mended ----

use stranger
forget
model_mode slow '"delay":0.3'
post_six h2
six_share_a_connection() {
  wait_for threats_are h2 6 "$MODEL_ANSWERED"
  wait_for seen_are h2 36
  expect "how they came" "$(seen h2 | jq -sc '[.[] | [.protocol, .tls, .status]] | unique')" \
    '[["HTTP/2.0","TLSv1.3",200]]'
  expect "of six agents for each threat" "$(model_count)" 36
  # Each of the two workers has a connection of its own.
  expect "connections, two at most" "$(seen h2 | jq -s '[.[].connection] | unique | length <= 2')" true
  expect "more at once than connections" "$(curl -fsS "$MODEL/stats" | jq '.max_in_flight >= 3')" true
  expect "the key, at the model" "$(model_requests | jq -c '[.[].authorization] | unique')" "[\"Bearer $KEY\"]"
}
check "e2e: with the CA trusted the model is asked over HTTP/2, all agents at once on one connection a worker" \
  six_share_a_connection

# A proxy that reads its settings anew says goodbye on its connections, while requests are under way on them.
forget
tried=$(get /api/ai/usage | jq -c '[.queue.retried, .queue.failed]') # none from here on
for n in 2 3 4; do post_six h2 "$n"; done
workers_seen() { [ "$(jq -s '[.[].worker] | unique | length' "$SEEN")" -ge "$1" ] && [ "$(model_in_flight)" -ge 3 ]; }
for n in 1 2; do
  wait_for workers_seen "$n"
  kill -HUP "$PROXY"
done
reloads_lose_nothing() {
  wait_for threats_are h2 24 "$MODEL_ANSWERED"
  wait_for seen_are h2 108
  expect "analyses tried again, or failed" "$(get /api/ai/usage | jq -c '[.queue.retried, .queue.failed]')" "$tried"
  expect "workers of the proxy" "$(seen h2 | jq -s '[.[].worker] | unique | length >= 3')" true
  expect "how they came" "$(seen h2 | jq -sc '[.[] | [.protocol, .status]] | unique')" '[["HTTP/2.0",200]]'
  expect "requests at the model, none twice" "$(model_count)" 108
}
check "e2e: a proxy that is reloaded under way loses no analysis and no request" reloads_lose_nothing
server_stop

# ---- HTTP/1.1 ----

begin h1 "localhost:${PORTS[h1]}" --ai-ca-file "$TLS/ca.pem"
forget
model_mode ok
post_one h1
the_older_protocol_works() {
  wait_for threats_are h1 1 "$MODEL_ANSWERED"
  wait_for seen_are h1 6
  expect "how they came" "$(seen h1 | jq -sc '[.[] | [.protocol, .tls, .status]] | unique')" \
    '[["HTTP/1.1","TLSv1.2",200]]'
  expect "connections, five at most" "$(seen h1 | jq -s '[.[].connection] | unique | length <= 5')" true
}
check "e2e: a server that has HTTP/1.1 and TLS 1.2 only is asked so" the_older_protocol_works
server_stop

# ---- the setting ----

refuses() { # refuses WORD FLAG...: to start, with exit code 3 and that word
  local word=$1 status=0
  shift
  "$LUNETTE" serve --listen 127.0.0.1:0 --rules "$WORK/no_rules" --plugins "$PLUGINS" --ai-model m "$@" \
    >"$WORK/refused" 2>&1 </dev/null || status=$?
  expect "exit code of $*" "$status" 3
  grep -F -- "$word" "$WORK/refused"
}
a_bad_ca_file_is_named() {
  local https=(--ai-url https://127.0.0.1:9/v1 --ai-ca-file)
  mkdir "$WORK/no_rules" # quicker
  sed '/^-----BEGIN/{n;s/^..../!!!!/;}' "$TLS/ca.pem" >"$WORK/damaged.pem"
  cat "$TLS/ca.pem" "$WORK/damaged.pem" >"$WORK/half.pem"
  refuses "$WORK/none.pem" "${https[@]}" "$WORK/none.pem"
  refuses 'no regular file' "${https[@]}" "$TLS"
  refuses 'found none' "${https[@]}" "$TLS/ca.key"
  refuses 'certificate 1' "${https[@]}" "$WORK/damaged.pem"
  refuses 'certificate 2' "${https[@]}" "$WORK/half.pem"
  refuses https:// --ai-url http://127.0.0.1:9/v1 --ai-ca-file "$TLS/ca.pem"
}
check "e2e: a CA file that cannot be used ends the start, and is named" a_bad_ca_file_is_named
