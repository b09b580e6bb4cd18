-- Schema staging: what one window brings, loaded by COPY, emptied after the load.
CREATE SCHEMA IF NOT EXISTS staging;
