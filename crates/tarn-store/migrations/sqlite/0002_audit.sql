-- Who did what, to what, when, with what result. Nothing here is ever changed; the retention alone removes, the oldest
-- first. Names stand beside the identifiers, without references: an entry outlives what it is about.
CREATE TABLE audit_log (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    at          BIGINT NOT NULL,
    account_id  BIGINT,                               -- who; NULL: anonymous, or the server itself
    account     TEXT,
    token_id    BIGINT,                               -- by which token
    token       TEXT,
    address     TEXT,                                 -- from where
    through     TEXT   NOT NULL CHECK (through IN ('http', 'command-line', 'server')),
    action      TEXT   NOT NULL,                      -- what: `package.publish`, `token.add`, …
    owner_id    BIGINT,                               -- to whose
    owner       TEXT,
    target      TEXT   NOT NULL,                      -- to what of theirs
    result      TEXT   NOT NULL CHECK (result IN ('done', 'refused')),
    detail      TEXT                                  -- for people: what changed into what, or why not
);
CREATE INDEX audit_log_owner ON audit_log (owner_id, id);
CREATE INDEX audit_log_account ON audit_log (account_id, id);
CREATE INDEX audit_log_at ON audit_log (at);
-- The filters of `tarn audit` and of the API: metadata/audit_entries.rs has a question for each.
CREATE INDEX audit_log_owner_name ON audit_log (LOWER(owner), id);
CREATE INDEX audit_log_account_name ON audit_log (LOWER(account), id);
CREATE INDEX audit_log_address ON audit_log (address, id) WHERE address IS NOT NULL;
CREATE INDEX audit_log_refused ON audit_log (id) WHERE result = 'refused';
-- Nearly every entry is of a publish: where those are wanted, the entries themselves are the quickest.
CREATE INDEX audit_log_action ON audit_log (action) WHERE action <> 'package.publish';

CREATE TRIGGER audit_log_is_append_only BEFORE UPDATE ON audit_log
BEGIN
    SELECT RAISE(ABORT, 'the audit log is never changed');
END;
