"""A DuckDB step: zones per country, as Parquet partitioned by the hemisphere of each zone."""

import duckdb

duckdb.sql(
    """
    copy (
        select country, count(*) as zones, hemisphere
        from (select *, case when substr(coordinates, 1, 1) = '-' then 'south' else 'north' end
                  as hemisphere
              from 'places.csv')
        group by country, hemisphere
        order by country
    ) to 'zones' (format parquet, partition_by (hemisphere))
    """
)
