/* What analysts write of a threat in a drill (demo_drill.h), made of parts by chance: honest notes, a note
 * that is written again and again with small changes, and notes that say the same each in words of its own.
 * The holder owns the struct; any thread. */
#ifndef LUNETTE_APP_DEMO_NOTES_H
#define LUNETTE_APP_DEMO_NOTES_H

#include "app/demo_maker.h"

enum note_style { NOTES_HONEST, NOTES_REPEATED, NOTES_REWORDED, NOTE_STYLES };

#define NOTE_SLOTS 3
#define NOTE_PARTS 12 /* so many notes of a style share no part */

struct note_texts {
    enum note_style style;
    struct maker maker;
    unsigned order[NOTE_SLOTS][NOTE_PARTS], made;
};
struct note_texts note_texts_of(enum note_style style, uint64_t seed);
/* Appends the next one. Honest and reworded ones use each part once in NOTE_PARTS notes. */
void note_text_next(struct note_texts *texts, struct buf *out);

#endif
