-- Topics that keep their messages for so many days; 0: for ever, whatever the settings say.

CREATE TABLE retention (
    topic TEXT COLLATE "C" PRIMARY KEY,
    days BIGINT NOT NULL
);
