{% macro columns_of(name) %}
    {%- set relation = adapter.get_relation(database=target.database, schema=target.schema, identifier=name) -%}
    {%- if execute and relation is none -%}{{ exceptions.raise_compiler_error(name ~ ' is not there') }}{%- endif -%}
    {%- for column in adapter.get_columns_in_relation(relation) if relation %}
    select '{{ column.name }}'::varchar(40) as name, '{{ column.data_type }}'::varchar(40) as type
    {%- if not loop.last %} union all {% endif %}
    {%- endfor %}
{% endmacro %}

{% macro tidy(schema) %}
    {% do adapter.drop_schema(api.Relation.create(database=target.database, schema=schema)) %}
{% endmacro %}
