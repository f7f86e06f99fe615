"""The waist: plain records between the half that measures and the half that judges."""
