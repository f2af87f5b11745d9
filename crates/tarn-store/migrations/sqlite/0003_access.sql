-- Names that owners had. Each still redirects to its owner, and no other owner can take it.
CREATE TABLE former_names (
    name_lower  TEXT   PRIMARY KEY,
    name        TEXT   NOT NULL,
    owner_id    BIGINT NOT NULL REFERENCES owners (id) ON DELETE CASCADE,
    since       BIGINT NOT NULL                       -- when the owner got another name
);
CREATE INDEX former_names_owner ON former_names (owner_id);

-- What members of an organisation may do beside reading all of it.
CREATE TABLE teams (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    organisation_id  BIGINT  NOT NULL REFERENCES owners (id) ON DELETE CASCADE,
    name             TEXT    NOT NULL,
    name_lower       TEXT    NOT NULL,
    role             TEXT    NOT NULL CHECK (role IN ('read', 'write', 'admin')),
    limits           TEXT    NOT NULL,                -- branch/repository, separated by spaces; empty: none
    built_in         BOOLEAN NOT NULL,                -- of these there is one for each role, made with the organisation
    created_at       BIGINT  NOT NULL,
    UNIQUE (organisation_id, name_lower),
    CHECK (role = 'write' OR limits = '')
);
CREATE UNIQUE INDEX teams_built_in ON teams (organisation_id, role) WHERE built_in;

CREATE TABLE team_members (
    team_id   BIGINT NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    user_id   BIGINT NOT NULL REFERENCES users (owner_id) ON DELETE CASCADE,
    added_at  BIGINT NOT NULL,
    PRIMARY KEY (team_id, user_id)
);
CREATE INDEX team_members_user ON team_members (user_id);
