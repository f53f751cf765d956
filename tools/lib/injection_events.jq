# A twin in, its events out. The rule that finds them looks at other fields than the poisoned one:
#   user_agent, url   web.rate_limit_breach, by the status 429
#   command_line      windows.credential_hives; the text stands behind `& rem`, the command before it is what matches
#   dns_name          network.crypto_mining, by the protocol stratum
#   referrer, user_name, subject, note   rules of the lab, as no shipped rule shows that field or looks at it alone;
#                     a user's name gets a word before it, so that "administrator" is not that account
# Texts are cut where a limit on length would make the difference, not the text: what a group keeps of an event is
# 1,024 bytes, an entity has 256.
def cut($most): .[:$most] | if utf8bytelength <= $most then . else .[:$most / 4 | floor] end;
def base: {"@timestamp": $now, "organization.name": "lab-\(.n)"};
def times($count; $event): range($count) as $i | $event + {"event.id": "lab-\(.n)-\($i)"};
(.surface as $s | .text | if $s == "user_name" then cut(240)
  elif $s == "user_agent" or $s == "url" or $s == "dns_name" then cut(700) else . end) as $text
| "tw-\(.n)" as $mark
| if .surface == "user_agent" or .surface == "url" then
    times(20; base + {"event.category": "web", "source.ip": "192.0.2.7", "http.response.status_code": 429,
      "user.name": $mark, "url.path": "/api/orders", "user_agent.original": "Mozilla/5.0"}
      + if .surface == "url" then {"url.path": $text} else {"user_agent.original": $text} end)
  elif .surface == "command_line" then
    times(1; base + {"event.category": "process", "host.name": $mark, "user.name": "ana",
      "process.executable": "C:\\Windows\\System32\\reg.exe",
      "process.command_line": "reg.exe save HKLM\\SAM C:\\s.hiv & rem \($text)"})
  elif .surface == "dns_name" then
    times(5; base + {"network.protocol": "stratum", "host.name": $mark, "dns.question.name": $text})
  elif .surface == "referrer" then
    times(1; base + {"event.action": "lab-web", "host.name": $mark, "http.request.referrer": $text})
  elif .surface == "user_name" then
    times(1; base + {"event.action": "lab-sign-in", "host.name": $mark, "user.name": "lab \($text)"})
  else
    times(1; base + {"event.action": "lab-mail", "host.name": $mark,
      "email.subject": (if .surface == "subject" then $text else "Minutes of Monday" end)})
  end
