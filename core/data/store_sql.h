/* The store's schema and every statement it runs, in one place. Only the store's own files include this. */
#ifndef LUNETTE_DATA_STORE_SQL_H
#define LUNETTE_DATA_STORE_SQL_H

#include "data/sql.h"

/* The scans come in pairs, newest first and then oldest first: SQL_x + oldest_first. */
enum store_sql {
    SQL_BEGIN_WRITE,
    SQL_BEGIN_READ,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_SEQ_GET,
    SQL_SEQ_PUT,
    SQL_FACT_GET,
    SQL_FACT_PUT,
    SQL_THREAT_INSERT,
    SQL_THREAT_UPDATE,
    SQL_THREAT_DELETE,
    SQL_THREAT_OLD,
    SQL_THREAT_SEQ,
    SQL_BODY_INSERT,
    SQL_BODY_UPDATE,
    SQL_BODY_DELETE,
    SQL_BODY_PACKED,
    SQL_BODY_SEARCH,
    SQL_BODY_SINCE,
    SQL_ENTITY_PUT,
    SQL_ENTITY_DELETE,
    SQL_CHANGE_PUT,
    SQL_CHANGE_TRIM,
    SQL_CHANGE_FIRST,
    SQL_CHANGES,
    SQL_MEMBER_PUT,
    SQL_MEMBERS,
    SQL_MEMBERS_DELETE,
    SQL_NOTE_PUT,
    SQL_NOTES,
    SQL_NOTES_DELETE,
    SQL_AUDIT_PUT,
    SQL_AUDIT_TARGET,
    SQL_AUDIT_LIST,
    SQL_AUDIT_TRIM,
    SQL_FAMILY,
    SQL_RESOLVED,
    SQL_DEMO,
    SQL_CELL_FIND,
    SQL_CELL_PUT,
    SQL_CELL_ADD,
    SQL_CELL_PRUNE,
    SQL_CELLS_NEW,
    SQL_CELLS_COUNT,
    SQL_HOUR_ADD,
    SQL_HOUR_PRUNE,
    SQL_HOURS,
    SQL_SPAN_PUT,
    SQL_SPAN_PRUNE,
    SQL_SPAN_FROM,
    SQL_SPAN_TO,
    SQL_TECHNIQUE_ADD,
    SQL_TECHNIQUE_PRUNE,
    SQL_TECHNIQUES,
    SQL_TECHNIQUES_OF,
    SQL_TOP_ENTITY_ADD,
    SQL_TOP_ENTITY_PRUNE,
    SQL_TOP_ENTITIES,
    SQL_TOP_ENTITIES_OF,
    SQL_SCAN,
    SQL_SCAN_OLDEST,
    SQL_SCAN_ASSIGNEE,
    SQL_SCAN_ASSIGNEE_OLDEST,
    SQL_SCAN_ENTITY,
    SQL_SCAN_ENTITY_OLDEST,
    SQL_SCAN_CELL,
    SQL_SCAN_CELL_OLDEST,
    SQL_COUNT_CELL,
    SQL_COUNT
};
extern const char *const store_sql_texts[SQL_COUNT];

/* Brings the schema up to this program's version, a transaction a step. ERR_INVALID where the file is another
 * program's or a newer one's. */
int store_migrate(struct sql *sql, struct err *err);

#endif
