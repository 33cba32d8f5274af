-- How many looks at a site's links were begun lately, as the time at which none of them counts any more.
CREATE TABLE site_paces (
    site TEXT NOT NULL PRIMARY KEY,
    full_ms BIGINT NOT NULL             -- when the site's bucket is full again, in ms since 1970
);
