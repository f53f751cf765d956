#include "data/store_sql.h"

#include <stdio.h>

#define APPLICATION_ID 0x4c756e65 /* "Lune" */

/* A threat is a narrow row, so that a scan touches little, and a body. Its cell is the combination of all
 * that a list is commonly filtered by; cells carry the counters, so a total needs no count and one index
 * (cell, and the row id behind it) serves every combination of filters. */
static const char migration_1[] =
    "CREATE TABLE meta(last_seq INTEGER NOT NULL, indexed INTEGER NOT NULL);"
    "INSERT INTO meta VALUES(0, 0);"
    "CREATE TABLE facts(name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE threats(seq INTEGER PRIMARY KEY, cell INTEGER NOT NULL, created INTEGER NOT NULL,"
    " updated INTEGER NOT NULL, anchor INTEGER NOT NULL, family INTEGER NOT NULL, demo INTEGER NOT NULL,"
    " resolved INTEGER NOT NULL, id TEXT NOT NULL, assignee TEXT NOT NULL);"
    "CREATE UNIQUE INDEX threat_id ON threats(id);"
    "CREATE INDEX threat_cell ON threats(cell);"
    "CREATE INDEX threat_family ON threats(family, anchor);"
    "CREATE INDEX threat_assignee ON threats(assignee) WHERE assignee <> '';"
    "CREATE INDEX threat_demo ON threats(demo) WHERE demo = 1;"
    "CREATE INDEX threat_resolved ON threats(updated) WHERE resolved = 1;"
    "CREATE TABLE bodies(seq INTEGER PRIMARY KEY, search TEXT NOT NULL, packed BLOB NOT NULL);"
    "CREATE TABLE entities(entity TEXT NOT NULL, seq INTEGER NOT NULL, customer TEXT NOT NULL,"
    " count INTEGER NOT NULL, level INTEGER NOT NULL, name TEXT NOT NULL,"
    " PRIMARY KEY(entity, seq, customer)) WITHOUT ROWID;"
    "CREATE INDEX top_entity ON entities(level) WHERE level > 0;"
    "CREATE INDEX top_entity_of ON entities(customer, level) WHERE level > 0;"
    "CREATE TABLE tail(seq INTEGER PRIMARY KEY, customer TEXT NOT NULL, visible INTEGER NOT NULL,"
    " names BLOB NOT NULL);"
    "CREATE TABLE members(seq INTEGER NOT NULL, event BLOB NOT NULL, PRIMARY KEY(seq, event)) WITHOUT ROWID;"
    "CREATE TABLE notes(id INTEGER PRIMARY KEY AUTOINCREMENT, seq INTEGER NOT NULL, at INTEGER NOT NULL,"
    " author TEXT NOT NULL, text TEXT NOT NULL, signature TEXT NOT NULL);"
    "CREATE INDEX note_threat ON notes(seq);"
    "CREATE TABLE audit(id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, who TEXT NOT NULL,"
    " action TEXT NOT NULL, target TEXT NOT NULL, detail TEXT NOT NULL);"
    "CREATE INDEX audit_target ON audit(target);"
    "CREATE INDEX audit_at ON audit(at);"
    "CREATE TABLE changes(seq INTEGER PRIMARY KEY, threat INTEGER NOT NULL, is_new INTEGER NOT NULL);"
    "CREATE TABLE cells(id INTEGER PRIMARY KEY AUTOINCREMENT, count INTEGER NOT NULL, us INTEGER NOT NULL,"
    " severity INTEGER NOT NULL, status INTEGER NOT NULL, verdict INTEGER NOT NULL, review INTEGER NOT NULL,"
    " hidden INTEGER NOT NULL, customer TEXT NOT NULL, rule TEXT NOT NULL, type TEXT NOT NULL);"
    "CREATE UNIQUE INDEX cell_key ON cells(customer, rule, type, severity, status, verdict, review, hidden);"
    "CREATE TABLE hours(hour INTEGER NOT NULL, cell INTEGER NOT NULL, count INTEGER NOT NULL,"
    " us INTEGER NOT NULL, PRIMARY KEY(hour, cell)) WITHOUT ROWID;"
    "CREATE TABLE spans(hour INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL);"
    "CREATE TABLE techniques(hour INTEGER NOT NULL, customer TEXT NOT NULL, technique TEXT NOT NULL,"
    " count INTEGER NOT NULL, PRIMARY KEY(hour, customer, technique)) WITHOUT ROWID;";

/* What triage and analysis keep. Rows of threats are found by the threat's seq, so that they go with it.
 * Where a number of rows is kept, the smallest id is the oldest. */
static const char migration_2[] =
    "ALTER TABLE meta ADD COLUMN audit_from INTEGER NOT NULL DEFAULT 0;"
    "UPDATE meta SET audit_from = (SELECT coalesce(min(at), 0) FROM audit);"
    "CREATE INDEX note_at ON notes(at);"
    "CREATE TABLE claims(last INTEGER NOT NULL);"
    "INSERT INTO claims VALUES(0);"
    "CREATE TABLE jobs(seq INTEGER NOT NULL, stage INTEGER NOT NULL, severity INTEGER NOT NULL,"
    " claim INTEGER NOT NULL, attempts INTEGER NOT NULL, created INTEGER NOT NULL,"
    " not_before INTEGER NOT NULL, events INTEGER NOT NULL, evidence INTEGER NOT NULL,"
    " PRIMARY KEY(seq, stage)) WITHOUT ROWID;"
    "CREATE TABLE timers(seq INTEGER PRIMARY KEY, at INTEGER NOT NULL);"
    "CREATE INDEX timer_at ON timers(at);"
    "CREATE TABLE verdicts(id INTEGER PRIMARY KEY, customer TEXT NOT NULL, rule TEXT NOT NULL,"
    " entity TEXT NOT NULL, true_positive INTEGER NOT NULL, benign_true_positive INTEGER NOT NULL,"
    " false_positive INTEGER NOT NULL, inconclusive INTEGER NOT NULL);"
    "CREATE UNIQUE INDEX verdict_key ON verdicts(customer, rule, entity);"
    "CREATE TABLE scorecards(customer TEXT NOT NULL, rule TEXT NOT NULL, true_positive INTEGER NOT NULL,"
    " benign_true_positive INTEGER NOT NULL, false_positive INTEGER NOT NULL, inconclusive INTEGER NOT NULL,"
    " PRIMARY KEY(customer, rule)) WITHOUT ROWID;"
    "CREATE TABLE minutes(customer TEXT NOT NULL, rule TEXT NOT NULL, step INTEGER NOT NULL,"
    " count INTEGER NOT NULL, PRIMARY KEY(customer, rule, step)) WITHOUT ROWID;"
    "CREATE TABLE overlays(name TEXT NOT NULL UNIQUE, version INTEGER NOT NULL, author TEXT NOT NULL,"
    " updated INTEGER NOT NULL, added TEXT NOT NULL, removed TEXT NOT NULL);"
    "CREATE TABLE usage(day TEXT NOT NULL, customer TEXT NOT NULL, rule TEXT NOT NULL, agent TEXT NOT NULL,"
    " model TEXT NOT NULL, calls INTEGER NOT NULL, failures INTEGER NOT NULL,"
    " prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, cost_micros INTEGER NOT NULL,"
    " cached INTEGER NOT NULL, PRIMARY KEY(day, customer, rule, agent, model)) WITHOUT ROWID;"
    "CREATE TABLE answers(id INTEGER PRIMARY KEY, hash BLOB NOT NULL, customer TEXT NOT NULL,"
    " at INTEGER NOT NULL, json TEXT NOT NULL);"
    "CREATE UNIQUE INDEX answer_key ON answers(hash, customer);"
    "CREATE TABLE observations(id INTEGER PRIMARY KEY, event BLOB NOT NULL UNIQUE, kind TEXT NOT NULL,"
    " customer TEXT NOT NULL, entity TEXT NOT NULL, folded TEXT NOT NULL, at INTEGER NOT NULL,"
    " body TEXT NOT NULL);"
    "CREATE INDEX observation_at ON observations(at);"
    "CREATE INDEX observation_kind ON observations(kind, at);"
    "CREATE INDEX observation_customer ON observations(customer, kind, at);"
    "CREATE INDEX observation_entity ON observations(folded, kind, at) WHERE folded <> '';";

/* Notes are asked for by customer: however many others have, each finds its own. */
static const char migration_3[] =
    "ALTER TABLE notes ADD COLUMN customer TEXT NOT NULL DEFAULT '';"
    "UPDATE notes SET customer = coalesce((SELECT c.customer FROM threats t JOIN cells c ON c.id = t.cell"
    " WHERE t.seq = notes.seq), '');"
    "CREATE INDEX note_customer ON notes(customer, at);";

static const char *const migrations[] = {migration_1, migration_2, migration_3};
#define VERSION ((int64_t)(sizeof migrations / sizeof *migrations))

#define TOP_COLUMNS     "SELECT entity, name, count, level "
#define SCAN_COLUMNS    "SELECT t.seq, t.cell, t.created, t.assignee "
#define CREATED_IN      " AND created >= ?4 AND created < ?5 "
#define VERDICT_COLUMNS "true_positive, benign_true_positive, false_positive, inconclusive"
#define VERDICT_SUMS                                                                                         \
    "sum(true_positive), sum(benign_true_positive),"                                                         \
    " sum(false_positive), sum(inconclusive)"
#define OVERLAY_COLUMNS "SELECT name, version, author, updated, added, removed FROM overlays "
#define USAGE_COLUMNS                                                                                        \
    "SELECT day, customer, rule, agent, model, calls, failures, prompt_tokens,"                              \
    " completion_tokens, cost_micros, cached FROM usage "
#define USAGE_SUMS                                                                                           \
    "sum(calls), sum(failures), sum(prompt_tokens), sum(completion_tokens),"                                 \
    " sum(cost_micros), sum(cached) FROM usage "
#define USAGE_WHERE         "WHERE (?1 = '' OR customer = ?1) AND day >= ?2 AND (?3 = '' OR day <= ?3) "
#define OBSERVATION_COLUMNS "SELECT kind, customer, entity, at, event, body FROM observations "
#define OBSERVATION_WHERE   "kind = ?1 AND at >= ?2 AND at < ?3 "
#define OBSERVATION_ORDER   "ORDER BY at DESC, id DESC LIMIT ?4"
#define NOTE_COLUMNS        "SELECT n.id, n.at, n.author, n.text, n.signature, t.id "

const char *const store_sql_texts[SQL_COUNT] = {
    [SQL_BEGIN_WRITE] = "BEGIN IMMEDIATE",
    [SQL_BEGIN_READ] = "BEGIN",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_SEQ_GET] = "SELECT last_seq FROM meta",
    [SQL_INDEXED_GET] = "SELECT indexed FROM meta",
    [SQL_INDEXED_PUT] = "UPDATE meta SET indexed = ?",
    [SQL_SEQ_PUT] = "UPDATE meta SET last_seq = ?",
    [SQL_FACT_GET] = "SELECT value FROM facts WHERE name = ?",
    [SQL_FACT_PUT] = "INSERT INTO facts VALUES(?, ?) ON CONFLICT(name) DO UPDATE SET value = excluded.value",
    [SQL_THREAT_INSERT] = "INSERT INTO threats(seq, cell, created, updated, anchor, family, demo, resolved,"
                          " id, assignee) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [SQL_THREAT_UPDATE] =
        "UPDATE threats SET cell = ?2, created = ?3, updated = ?4, anchor = ?5, family = ?6,"
        " demo = ?7, resolved = ?8, assignee = ?10 WHERE seq = ?1 AND id = ?9",
    [SQL_THREAT_DELETE] = "DELETE FROM threats WHERE seq = ?",
    [SQL_THREAT_OLD] = "SELECT b.packed FROM threats t CROSS JOIN bodies b ON b.seq = t.seq WHERE t.id = ?",
    [SQL_THREAT_SEQ] = "SELECT seq FROM threats WHERE id = ?",
    [SQL_BODY_INSERT] = "INSERT INTO bodies VALUES(?, ?, ?)",
    [SQL_BODY_UPDATE] = "UPDATE bodies SET search = ?2, packed = ?3 WHERE seq = ?1",
    [SQL_BODY_DELETE] = "DELETE FROM bodies WHERE seq = ?",
    [SQL_BODY_PACKED] = "SELECT packed FROM bodies WHERE seq = ?",
    [SQL_BODY_SEARCH] = "SELECT search FROM bodies WHERE seq = ?",
    [SQL_BODY_SINCE] =
        "SELECT t.cell, t.created, b.packed FROM threats t CROSS JOIN bodies b ON b.seq = t.seq"
        " WHERE t.seq >= ? ORDER BY t.seq DESC LIMIT ?",
    [SQL_ENTITY_PUT] = "INSERT OR IGNORE INTO entities VALUES(?, ?, '', 0, 0, '')",
    [SQL_ENTITY_DELETE] = "DELETE FROM entities WHERE entity = ? AND seq = ? AND customer = ''",
    [SQL_TAIL_PUT] = "INSERT OR REPLACE INTO tail VALUES(?, ?, ?, ?)",
    [SQL_TAIL_DELETE] = "DELETE FROM tail WHERE seq = ?",
    [SQL_TAIL_CLEAR] = "DELETE FROM tail",
    [SQL_TAIL_ALL] = "SELECT seq, customer, visible, names FROM tail ORDER BY seq",
    [SQL_CHANGE_PUT] = "INSERT OR REPLACE INTO changes VALUES(?, ?, ?)",
    [SQL_CHANGE_TRIM] = "DELETE FROM changes WHERE seq <= ?",
    [SQL_CHANGE_FIRST] = "SELECT min(seq) FROM changes",
    [SQL_CHANGES] = "SELECT c.seq, c.is_new, b.packed FROM changes c CROSS JOIN bodies b ON b.seq = c.threat"
                    " WHERE c.seq > ? ORDER BY c.seq LIMIT ?",
    [SQL_CHANGED] = "SELECT id FROM threats WHERE seq IN"
                    " (SELECT threat FROM changes ORDER BY seq DESC LIMIT ?)",
    [SQL_MEMBER_PUT] = "INSERT OR IGNORE INTO members VALUES(?, ?)",
    [SQL_MEMBERS] = "SELECT event FROM members WHERE seq = ? LIMIT ?",
    [SQL_MEMBERS_DELETE] = "DELETE FROM members WHERE seq = ?",
    [SQL_NOTE_PUT] = "INSERT INTO notes(seq, at, author, text, signature, customer)"
                     " VALUES(?1, ?2, ?3, ?4, ?5, coalesce((SELECT c.customer FROM threats t"
                     " JOIN cells c ON c.id = t.cell WHERE t.seq = ?1), ''))",
    [SQL_NOTES] = "SELECT id, at, author, text, signature FROM notes WHERE seq = ? ORDER BY id DESC LIMIT ?",
    [SQL_NOTES_DELETE] = "DELETE FROM notes WHERE seq = ?",
    [SQL_AUDIT_PUT] = "INSERT INTO audit(at, who, action, target, detail) VALUES(?, ?, ?, ?, ?)",
    [SQL_AUDIT_TARGET] =
        "SELECT at, who, action, detail FROM audit WHERE target = ? ORDER BY id DESC LIMIT ?",
    [SQL_AUDIT_LIST] = "SELECT id, at, who, action, target, detail FROM audit WHERE id < ? ORDER BY id DESC"
                       " LIMIT ?",
    [SQL_AUDIT_TRIM] = "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < ? LIMIT ?)",
    [SQL_FAMILY] = "SELECT b.packed FROM threats t CROSS JOIN bodies b ON b.seq = t.seq WHERE t.family = ?"
                   " ORDER BY t.anchor DESC, t.seq DESC",
    [SQL_RESOLVED] = "SELECT seq FROM threats WHERE resolved = 1 AND updated < ? ORDER BY updated LIMIT ?",
    [SQL_DEMO] = "SELECT seq FROM threats WHERE demo = 1",
    [SQL_DEMO_AUDIT_DELETE] =
        "DELETE FROM audit WHERE target = (SELECT id FROM threats WHERE seq = ? AND demo = 1)"
        " AND instr(detail, '\"demo\":true') > 0",
    [SQL_CELL_FIND] = "SELECT id FROM cells WHERE severity = ? AND status = ? AND verdict = ? AND review = ?"
                      " AND hidden = ? AND customer = ? AND rule = ? AND type = ?",
    [SQL_CELL_PUT] = "INSERT INTO cells(count, us, severity, status, verdict, review, hidden, customer, rule,"
                     " type) VALUES(0, 0, ?, ?, ?, ?, ?, ?, ?, ?)",
    [SQL_CELL_ADD] = "UPDATE cells SET count = count + ?2, us = us + ?3 WHERE id = ?1",
    [SQL_CELL_PRUNE] = "DELETE FROM cells WHERE count = 0",
    [SQL_CELLS_NEW] = "SELECT id, severity, status, verdict, review, hidden, customer, rule, type FROM cells"
                      " WHERE id > ?",
    [SQL_CELLS_COUNT] = "SELECT id, count, us FROM cells",
    [SQL_HOUR_ADD] = "INSERT INTO hours VALUES(?, ?, ?, ?) ON CONFLICT(hour, cell) DO UPDATE SET"
                     " count = count + excluded.count, us = us + excluded.us",
    [SQL_HOUR_PRUNE] = "DELETE FROM hours WHERE hour = ? AND cell = ? AND count = 0",
    [SQL_HOURS] = "SELECT hour, cell, count, us FROM hours WHERE hour >= ? ORDER BY hour",
    [SQL_SPAN_PUT] = "INSERT INTO spans VALUES(?, ?, ?) ON CONFLICT(hour) DO UPDATE SET"
                     " first = min(first, excluded.first), last = max(last, excluded.last)",
    [SQL_SPAN_PRUNE] =
        "DELETE FROM spans WHERE NOT EXISTS (SELECT 1 FROM hours WHERE hours.hour = spans.hour)",
    [SQL_SPAN_FROM] = "SELECT min(first) FROM spans WHERE hour >= ?",
    [SQL_SPAN_TO] = "SELECT max(last) FROM spans WHERE hour <= ?",
    [SQL_TECHNIQUE_ADD] = "INSERT INTO techniques VALUES(?, ?, ?, ?) ON CONFLICT(hour, customer, technique)"
                          " DO UPDATE SET count = count + excluded.count",
    [SQL_TECHNIQUE_PRUNE] = "DELETE FROM techniques WHERE hour = ? AND customer = ? AND technique = ? AND"
                            " count <= 0",
    [SQL_TECHNIQUES] = "SELECT technique, sum(count) AS n FROM techniques WHERE hour >= ? GROUP BY technique"
                       " ORDER BY n DESC, technique LIMIT ?",
    [SQL_TECHNIQUES_OF] =
        "SELECT technique, sum(count) AS n FROM techniques WHERE hour >= ? AND customer = ?3"
        " GROUP BY technique ORDER BY n DESC, technique LIMIT ?2",
    [SQL_TOP_ENTITY_GET] = "SELECT count FROM entities WHERE entity = ? AND seq = 0 AND customer = ?",
    [SQL_TOP_ENTITY_ADD] = "INSERT INTO entities VALUES(?, 0, ?, ?, ?, ?)",
    [SQL_TOP_ENTITY_COUNT] = "UPDATE entities SET count = ? WHERE entity = ? AND seq = 0 AND customer = ?",
    [SQL_TOP_ENTITY_LEVEL] = "UPDATE entities SET count = ?, level = ? WHERE entity = ? AND seq = 0 AND"
                             " customer = ?",
    [SQL_TOP_ENTITY_PRUNE] = "DELETE FROM entities WHERE entity = ? AND seq = 0 AND customer = ?",
    [SQL_TOP_ENTITIES] = TOP_COLUMNS "FROM entities INDEXED BY top_entity WHERE level > 0"
                                     " ORDER BY level DESC",
    [SQL_TOP_ENTITIES_OF] = TOP_COLUMNS "FROM entities INDEXED BY top_entity_of WHERE customer = ? AND"
                                        " level > 0 ORDER BY level DESC",
    [SQL_TOP_ENTITY_SUM] = "SELECT sum(count) FROM entities WHERE entity = ? AND seq = 0",
    [SQL_FEW_ENTITIES] = TOP_COLUMNS "FROM (SELECT * FROM entities LIMIT 5000) WHERE seq = 0 AND level = 0"
                                     " AND (?1 = '' OR customer = ?1)",
    [SQL_SCAN] = SCAN_COLUMNS "FROM threats t WHERE t.seq BETWEEN ?1 AND ?2 ORDER BY t.seq DESC",
    [SQL_SCAN_OLDEST] = SCAN_COLUMNS "FROM threats t WHERE t.seq BETWEEN ?1 AND ?2 ORDER BY t.seq",
    [SQL_SCAN_ASSIGNEE] = SCAN_COLUMNS "FROM threats t INDEXED BY threat_assignee WHERE t.assignee = ?3 AND"
                                       " t.assignee <> '' AND t.seq BETWEEN ?1 AND ?2 ORDER BY t.seq DESC",
    [SQL_SCAN_ASSIGNEE_OLDEST] = SCAN_COLUMNS
    "FROM threats t INDEXED BY threat_assignee WHERE t.assignee = ?3 AND"
    " t.assignee <> '' AND t.seq BETWEEN ?1 AND ?2 ORDER BY t.seq",
    [SQL_SCAN_ENTITY] = SCAN_COLUMNS "FROM entities e CROSS JOIN threats t ON t.seq = e.seq WHERE"
                                     " e.entity = ?3 AND e.seq BETWEEN ?1 AND ?2 ORDER BY e.seq DESC",
    [SQL_SCAN_ENTITY_OLDEST] = SCAN_COLUMNS "FROM entities e CROSS JOIN threats t ON t.seq = e.seq WHERE"
                                            " e.entity = ?3 AND e.seq BETWEEN ?1 AND ?2 ORDER BY e.seq",
    [SQL_SCAN_TAIL] = SCAN_COLUMNS ", e.names FROM tail e CROSS JOIN threats t ON t.seq = e.seq WHERE"
                                   " e.seq BETWEEN ?1 AND ?2 ORDER BY e.seq DESC",
    [SQL_SCAN_TAIL_OLDEST] = SCAN_COLUMNS ", e.names FROM tail e CROSS JOIN threats t ON t.seq = e.seq WHERE"
                                          " e.seq BETWEEN ?1 AND ?2 ORDER BY e.seq",
    [SQL_SCAN_CELL] = "SELECT seq FROM threats INDEXED BY threat_cell WHERE cell = ?3 AND"
                      " seq BETWEEN ?1 AND ?2" CREATED_IN "ORDER BY seq DESC LIMIT ?6",
    [SQL_SCAN_CELL_OLDEST] = "SELECT seq FROM threats INDEXED BY threat_cell WHERE cell = ?3 AND"
                             " seq BETWEEN ?1 AND ?2" CREATED_IN "ORDER BY seq LIMIT ?6",
    [SQL_COUNT_CELL] = "SELECT count(*) FROM (SELECT 1 FROM threats INDEXED BY threat_cell WHERE cell = ?3"
                       " AND seq BETWEEN ?1 AND ?2" CREATED_IN "LIMIT ?6)",
    [SQL_CLAIM_NEXT] = "UPDATE claims SET last = last + 1",
    [SQL_CLAIM_GET] = "SELECT last FROM claims",
    [SQL_JOB_PUT] = "INSERT OR REPLACE INTO jobs(seq, stage, severity, claim, attempts, created, not_before,"
                    " events, evidence) VALUES(?, ?, ?, 0, ?, ?, ?, ?, ?)",
    [SQL_JOB_CLAIM] = "UPDATE jobs SET claim = ?3, attempts = attempts + 1 WHERE stage = ?2 AND"
                      " seq = (SELECT seq FROM threats WHERE id = ?1)",
    [SQL_JOB_FINISH] = "DELETE FROM jobs WHERE stage = ?2 AND claim = ?3 AND claim <> 0 AND"
                       " seq = (SELECT seq FROM threats WHERE id = ?1)",
    [SQL_JOB_DELAY] = "UPDATE jobs SET claim = 0, not_before = ?4 WHERE stage = ?2 AND claim = ?3 AND"
                      " seq = (SELECT seq FROM threats WHERE id = ?1)",
    [SQL_JOB_DROP] = "DELETE FROM jobs WHERE stage = ?2 AND seq = (SELECT seq FROM threats WHERE id = ?1)",
    [SQL_JOBS] = "SELECT t.id, j.stage, j.severity, j.claim, j.attempts, j.created, j.not_before, j.events,"
                 " j.evidence FROM jobs j CROSS JOIN threats t ON t.seq = j.seq"
                 " ORDER BY j.created, j.seq, j.stage",
    [SQL_JOBS_DELETE] = "DELETE FROM jobs WHERE seq = ?",
    [SQL_TIMER_PUT] = "INSERT OR REPLACE INTO timers VALUES(?, ?)",
    [SQL_TIMER_DELETE] = "DELETE FROM timers WHERE seq = ?",
    [SQL_TIMER_TAKE] = "DELETE FROM timers WHERE seq = (SELECT seq FROM threats WHERE id = ?1) AND at = ?2",
    [SQL_TIMERS_DUE] = "SELECT t.id, m.at FROM timers m CROSS JOIN threats t ON t.seq = m.seq"
                       " WHERE m.at <= ? ORDER BY m.at, m.seq LIMIT ?",
    [SQL_VERDICT_GET] = "SELECT id, " VERDICT_COLUMNS
                        " FROM verdicts WHERE customer = ? AND rule = ? AND entity = ?",
    [SQL_VERDICT_PUT] = "INSERT INTO verdicts(customer, rule, entity, " VERDICT_COLUMNS
                        ") VALUES(?, ?, ?, ?, ?, ?, ?)",
    [SQL_VERDICT_DELETE] = "DELETE FROM verdicts WHERE id = ?",
    [SQL_VERDICT_EVICT] = "DELETE FROM verdicts WHERE id = (SELECT min(id) FROM verdicts)",
    [SQL_VERDICTS] = "SELECT customer, rule, entity, " VERDICT_COLUMNS " FROM verdicts ORDER BY id",
    [SQL_SCORECARD_ADD] =
        "INSERT INTO scorecards VALUES(?1, ?2, max(0, ?3), max(0, ?4), max(0, ?5), max(0, ?6))"
        " ON CONFLICT(customer, rule) DO UPDATE SET true_positive = max(0, true_positive + ?3),"
        " benign_true_positive = max(0, benign_true_positive + ?4),"
        " false_positive = max(0, false_positive + ?5), inconclusive = max(0, inconclusive + ?6)",
    [SQL_SCORECARDS] = "SELECT rule, " VERDICT_SUMS
                       " FROM scorecards WHERE ?1 = '' OR customer = ?1 GROUP BY rule",
    [SQL_MINUTES_ADD] = "INSERT INTO minutes VALUES(?1, ?2, ?3, max(0, ?4)) ON CONFLICT(customer, rule, step)"
                        " DO UPDATE SET count = max(0, count + ?4)",
    [SQL_MINUTES] = "SELECT rule, step, sum(count) FROM minutes WHERE ?1 = '' OR customer = ?1"
                    " GROUP BY rule, step ORDER BY rule, step",
    [SQL_OVERLAY_VERSION] = "SELECT version FROM overlays WHERE name = ?",
    [SQL_OVERLAY_COUNT] = "SELECT count(*) FROM overlays",
    [SQL_OVERLAY_PUT] = "INSERT INTO overlays VALUES(?, ?, ?, ?, ?, ?) ON CONFLICT(name) DO UPDATE SET"
                        " version = excluded.version, author = excluded.author, updated = excluded.updated,"
                        " added = excluded.added, removed = excluded.removed",
    [SQL_OVERLAY_GET] = OVERLAY_COLUMNS "WHERE name = ?",
    [SQL_OVERLAYS] = OVERLAY_COLUMNS "ORDER BY name",
    [SQL_USAGE_ADD] =
        "INSERT INTO usage VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT(day, customer, rule, agent, model) DO UPDATE SET calls = calls + excluded.calls,"
        " failures = failures + excluded.failures, prompt_tokens = prompt_tokens + excluded.prompt_tokens,"
        " completion_tokens = completion_tokens + excluded.completion_tokens,"
        " cost_micros = cost_micros + excluded.cost_micros, cached = cached + excluded.cached",
    [SQL_USAGE_TRIM] = "DELETE FROM usage WHERE (day, customer, rule, agent, model) IN"
                       " (SELECT day, customer, rule, agent, model FROM usage WHERE day < ? LIMIT ?)",
    [SQL_USAGE_DAY] = USAGE_COLUMNS "WHERE day = ?",
    [SQL_USAGE_ROWS] = USAGE_COLUMNS USAGE_WHERE "ORDER BY day DESC, customer, rule, agent, model LIMIT ?4",
    [SQL_USAGE_TOTAL] = "SELECT '', " USAGE_SUMS USAGE_WHERE,
    [SQL_USAGE_BY_DAY] = "SELECT day, " USAGE_SUMS USAGE_WHERE "GROUP BY day ORDER BY day",
    [SQL_USAGE_BY_AGENT] = "SELECT agent, " USAGE_SUMS USAGE_WHERE "GROUP BY agent ORDER BY agent",
    [SQL_USAGE_BY_MODEL] = "SELECT model, " USAGE_SUMS USAGE_WHERE "GROUP BY model ORDER BY model",
    [SQL_USAGE_BY_RULE] = "SELECT rule, " USAGE_SUMS USAGE_WHERE "GROUP BY rule ORDER BY rule",
    [SQL_ANSWER_PUT] = "INSERT INTO answers(hash, customer, at, json) VALUES(?, ?, ?, ?)",
    [SQL_ANSWER_DELETE] = "DELETE FROM answers WHERE hash = ? AND customer = ?",
    [SQL_ANSWER_EVICT] = "DELETE FROM answers WHERE id = (SELECT min(id) FROM answers)",
    [SQL_ANSWER_GET] = "SELECT json, at FROM answers WHERE hash = ? AND customer = ?",
    [SQL_OBSERVATION_PUT] = "INSERT OR IGNORE INTO observations(event, kind, customer, entity, folded, at,"
                            " body) VALUES(?, ?, ?, ?, ?, ?, ?)",
    [SQL_OBSERVATION_EVICT] = "DELETE FROM observations WHERE id = (SELECT min(id) FROM observations)",
    [SQL_OBSERVATION_TRIM] =
        "DELETE FROM observations WHERE id IN (SELECT id FROM observations WHERE at < ? LIMIT ?)",
    [SQL_OBSERVATIONS] = OBSERVATION_COLUMNS
    "INDEXED BY observation_kind WHERE " OBSERVATION_WHERE OBSERVATION_ORDER,
    [SQL_OBSERVATIONS_OF] = OBSERVATION_COLUMNS
    "INDEXED BY observation_customer WHERE customer = ?5 AND " OBSERVATION_WHERE OBSERVATION_ORDER,
    [SQL_OBSERVATIONS_ENTITY] = OBSERVATION_COLUMNS
    "INDEXED BY observation_entity WHERE folded = ?6 AND folded <> '' AND (?5 = '' OR customer = ?5)"
    " AND " OBSERVATION_WHERE OBSERVATION_ORDER,
    [SQL_SIMILAR_ENTITY] = "SELECT t.seq, t.cell FROM entities e CROSS JOIN threats t ON t.seq = e.seq"
                           " WHERE e.entity = ? AND e.seq > 0 ORDER BY e.seq DESC LIMIT ?",
    [SQL_NOTES_OF] = NOTE_COLUMNS
    "FROM threats t CROSS JOIN notes n ON n.seq = t.seq WHERE t.seq = ? ORDER BY n.id DESC",
    [SQL_NOTES_RECENT] = NOTE_COLUMNS "FROM notes n INDEXED BY note_at CROSS JOIN threats t ON t.seq = n.seq"
                                      " WHERE n.at >= ? ORDER BY n.at DESC, n.id DESC LIMIT ?",
    [SQL_NOTES_RECENT_OF] = NOTE_COLUMNS
    "FROM notes n INDEXED BY note_customer CROSS JOIN threats t ON t.seq = n.seq"
    " WHERE n.customer = ?3 AND n.at >= ?1 ORDER BY n.at DESC, n.id DESC LIMIT ?2",
    [SQL_AUDIT_NOTE] = "SELECT detail FROM audit WHERE target = ? AND who = ? AND action = 'threat.note'"
                       " AND at BETWEEN ? AND ? LIMIT 200",
    [SQL_AUDIT_FROM_GET] = "SELECT audit_from FROM meta",
    [SQL_AUDIT_FROM_PUT] = "UPDATE meta SET audit_from = max(audit_from, ?)",
    [SQL_THREAT_OWNER] =
        "SELECT t.seq, c.customer FROM threats t CROSS JOIN cells c ON c.id = t.cell WHERE t.id = ?",
};

static int check_owner(struct sql *sql, int64_t version, struct err *err)
{
    int64_t id, tables;
    if (sql_number(sql, "PRAGMA application_id", &id, err) ||
        sql_number(sql, "SELECT count(*) FROM sqlite_master", &tables, err))
        return -1;
    if (tables && id != APPLICATION_ID)
        return err_set(err, ERR_INVALID, "expected a store of Lunette, found another program's database");
    if (version > VERSION)
        return err_set(err, ERR_INVALID,
                       "the store has version %lld, this program knows %lld: use a newer one",
                       (long long)version, (long long)VERSION);
    return 0;
}

static int migrate_step(struct sql *sql, int64_t from, struct err *err)
{
    char version[96];
    snprintf(version, sizeof version, "PRAGMA application_id = %d; PRAGMA user_version = %lld;",
             APPLICATION_ID, (long long)from + 1);
    if (sql_exec(sql, "BEGIN IMMEDIATE", err))
        return -1;
    if (sql_exec(sql, migrations[from], err) || sql_exec(sql, version, err) || sql_exec(sql, "COMMIT", err)) {
        sql_exec(sql, "ROLLBACK", NULL);
        return -1;
    }
    return 0;
}

int store_migrate(struct sql *sql, struct err *err)
{
    int64_t version;
    if (sql_number(sql, "PRAGMA user_version", &version, err) || check_owner(sql, version, err))
        return -1;
    for (; version < VERSION; version++)
        if (migrate_step(sql, version, err))
            return -1;
    return 0;
}
