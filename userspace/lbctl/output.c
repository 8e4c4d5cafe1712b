// SPDX-License-Identifier: Apache-2.0
/* Tables on stdout: see output.h. */
#include "userspace/lbctl/output.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libsmartcols/libsmartcols.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"

DEFINE_CLEANUP(struct libscols_table *, scols_unref_table);

int output_kind_parse(const char *text, enum output_kind *ret)
{
	static const char *const names[] = { "text", "wide", "json", "yaml" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (text_equal(text, names[i])) {
			*ret = (enum output_kind)i;
			return 0;
		}
	return -EINVAL;
}

bool output_is_terminal(void)
{
	const char *no_color = getenv("NO_COLOR");

	return isatty(STDOUT_FILENO) && !(no_color && *no_color) && !text_equal(getenv("TERM"), "dumb");
}

static const char *mood_color(enum cell_mood mood)
{
	switch (mood) {
	case MOOD_PLAIN:
		return NULL;
	case MOOD_GOOD:
		return "green";
	case MOOD_BAD:
		return "red";
	}
	return NULL;
}

static bool is_right_aligned(enum cell_kind kind)
{
	return kind == CELL_NUMBER || kind == CELL_COUNT || kind == CELL_BYTES || kind == CELL_DURATION ||
	       kind == CELL_RATIO;
}

static int add_cell(struct libscols_line *line, size_t index, const struct column *column,
		    const struct json *row, bool terminal)
{
	cleanup(strbuf_done) struct strbuf text = { 0 };
	enum cell_mood mood = render_cell(column, row, terminal, &text);
	const char *color = terminal ? mood_color(mood) : NULL;
	int r;

	if (strbuf_failed(&text))
		return -ENOMEM;
	r = scols_line_set_data(line, index, strbuf_text(&text));
	if (!r && color)
		r = scols_cell_set_color(scols_line_get_cell(line, index), color);
	return r;
}

/* libsmartcols prints nothing for a table without lines; the titles say that the answer is an empty one. */
static void print_titles(const struct column *columns, size_t n_columns, bool wide)
{
	const char *separator = "";
	size_t i;

	for (i = 0; i < n_columns; i++) {
		if (columns[i].wide && !wide)
			continue;
		printf("%s%s", separator, columns[i].title);
		separator = " ";
	}
	printf("\n");
}

int output_table(const struct json *rows, const struct column *columns, size_t n_columns, bool wide)
{
	cleanup(scols_unref_tablep) struct libscols_table *table = NULL;
	bool terminal = output_is_terminal();
	const struct json *row;
	struct libscols_line *line;
	size_t i, shown;
	int r;

	if (!rows || rows->type != JSON_ARRAY || !rows->child) {
		print_titles(columns, n_columns, wide);
		return 0;
	}
	table = scols_new_table();
	if (!table)
		return -ENOMEM;
	scols_table_enable_colors(table, terminal);
	for (i = 0; i < n_columns; i++)
		if ((wide || !columns[i].wide) &&
		    !scols_table_new_column(table, columns[i].title, 0,
					    is_right_aligned(columns[i].kind) ? SCOLS_FL_RIGHT : 0))
			return -ENOMEM;
	for (row = rows->child; row; row = row->next) {
		line = scols_table_new_line(table, NULL);
		if (!line)
			return -ENOMEM;
		for (i = 0, shown = 0; i < n_columns; i++) {
			if (columns[i].wide && !wide)
				continue;
			r = add_cell(line, shown++, &columns[i], row, terminal);
			if (r < 0)
				return r;
		}
	}
	return scols_print_table(table);
}

void output_facts(const struct json *object, const struct column *columns, size_t n_columns)
{
	bool terminal = output_is_terminal();
	size_t i;

	for (i = 0; i < n_columns; i++) {
		cleanup(strbuf_done) struct strbuf text = { 0 };
		enum cell_mood mood = render_cell(&columns[i], object, terminal, &text);
		const char *color = !terminal || mood == MOOD_PLAIN ? ""
				    : mood == MOOD_GOOD		    ? "\033[32m"
								    : "\033[31m";

		printf("%-13s %s%s%s\n", columns[i].title, color, strbuf_text(&text),
		       *color ? "\033[0m" : "");
	}
}
