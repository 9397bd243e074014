"""The pure decisions of this room: facts and a time go in, an answer or a refusal comes out."""
